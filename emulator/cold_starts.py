"""Cold starts as they happen: counted for the metrics, and told in words."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal, TypeAlias

from emulator.manifests import DEFAULT_NAMESPACE

How: TypeAlias = Literal["exec", "template"]
Phase: TypeAlias = Literal["spawn", "ready", "first_byte"]

METRIC = "sluice_emulator_cold_start_seconds"
_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class ColdStart:
    """Milliseconds from the decision to start: until the process ran, was ready, had sent its first byte.

    The time that a replica stood ready and nobody asked it for anything is left out of the last.
    """

    spawn_ms: float
    ready_ms: float
    first_byte_ms: float | None
    how: How = "exec"

    def ready_in_words(self) -> str:
        how = "forked from its template" if self.how == "template" else "started"
        return f"{how} in {self.spawn_ms:g} ms, ready after {self.ready_ms:g} ms"

    def first_byte_in_words(self) -> str:
        return f"sent its first byte, {self.first_byte_ms:g} ms of work after it was asked for"


@dataclass
class _Seconds:
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS_S) + 1))
    total: float = 0.0


class ColdStarts:
    """Histograms by function, kind of start and phase. Functions are told apart by `FunctionSpec.key`."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, How, Phase], _Seconds] = {}

    def ready(self, key: str, start: ColdStart) -> None:
        self._observe(key, start.how, "spawn", start.spawn_ms)
        self._observe(key, start.how, "ready", start.ready_ms)

    def first_byte(self, key: str, start: ColdStart) -> None:
        assert start.first_byte_ms is not None
        self._observe(key, start.how, "first_byte", start.first_byte_ms)

    def exposition(self) -> str:
        """Prometheus text."""
        return "".join(f"{line}\n" for line in self._lines())

    def _observe(self, key: str, how: How, phase: Phase, milliseconds: float) -> None:
        seconds = self._seconds.setdefault((key, how, phase), _Seconds())
        seconds.buckets[bisect_left(_BOUNDS_S, milliseconds / 1000)] += 1
        seconds.total += milliseconds / 1000

    def _lines(self) -> Iterator[str]:
        yield f"# HELP {METRIC} From the decision to start a replica: until it ran, was ready, sent its first byte."
        yield f"# TYPE {METRIC} histogram"
        for (key, how, phase), seconds in sorted(self._seconds.items(), key=lambda item: item[0]):
            name = key if "." in key else f"{key}.{DEFAULT_NAMESPACE}"
            labels = f'function_name="{name}",phase="{phase}",start="{how}"'
            counts = list(accumulate(seconds.buckets))
            for bound, count in zip((*(f"{bound:g}" for bound in _BOUNDS_S), "+Inf"), counts, strict=True):
                yield f'{METRIC}_bucket{{{labels},le="{bound}"}} {count}'
            yield f"{METRIC}_sum{{{labels}}} {seconds.total:.6f}"
            yield f"{METRIC}_count{{{labels}}} {counts[-1]}"
