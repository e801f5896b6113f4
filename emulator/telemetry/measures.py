"""What is counted of the spans that come, and of those that wait for the disk."""

from typing import Final

from observe.metrics import Registry

KEPT: Final = "kept"
# Refused at the door; their sender may come again.
TOO_MANY: Final = "too_many"
TRACE_FULL: Final = "trace_full"
NOT_WRITTEN: Final = "not_written"
NO_SPAN: Final = "no_span"
_DROPPED: Final = (TOO_MANY, TRACE_FULL, NOT_WRITTEN)


class SpanCounts:
    """`registry` is one emulator's: several may share a process."""

    def __init__(self, registry: Registry) -> None:
        self._came = registry.counter("sluice_emulator_spans_total", "Spans that came, by what was done.", "outcome")
        self._waiting = registry.gauge("sluice_emulator_spans_waiting", "Spans that wait for the disk.")
        for outcome in (KEPT, *_DROPPED, NO_SPAN):
            self._came.expect(outcome)
        self._waiting.set(0)

    def add(self, outcome: str, count: int) -> None:
        self._came.inc(outcome, by=count)

    def wait(self, count: int) -> None:
        """So many do now."""
        self._waiting.set(count)

    @property
    def kept(self) -> int:
        return self._so_far(KEPT)

    @property
    def dropped(self) -> int:
        return self._so_far(*_DROPPED)

    def _so_far(self, *outcomes: str) -> int:
        return int(sum(count for (outcome,), count in self._came.samples() if outcome in outcomes))
