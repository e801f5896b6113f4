"""The numbers of this process. Whoever knows when to record makes an instrument, once, at the top of its module:

    _FETCHES = counter("sluice_fetches_total", "Requests to sites.", "outcome")
    _FETCHES.inc("2xx")

Like loggers, they need no wiring: a process has one registry, and answers `GET /metrics` from it. A record costs less
than a microsecond, and nothing heavy is imported. Labels hold words of ours, never what a user wrote.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias, TypeVar, TypeVarTuple

from observe.instruments import About, Counter, Gauge, Histogram, Instrument, Labels

__all__ = ["REGISTRY", "SECONDS", "Counter", "Delta", "Gauge", "Histogram", "Registry", "counter", "gauge", "histogram"]

Names = TypeVarTuple("Names")
AnyInstrument: TypeAlias = Instrument[Any, *tuple[Any, ...]]
Made = TypeVar("Made", bound=AnyInstrument)
Delta: TypeAlias = list[list[Any]]

# From a look-up in a cache to a page that is waited for; whoever measures something else brings bounds of its own.
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Registry:
    """Instruments by name, in the order in which they were made."""

    def __init__(self) -> None:
        self._instruments: dict[str, AnyInstrument] = {}
        self._lent: set[tuple[str, Labels]] = set()
        self._overflows = self.counter(
            "sluice_metrics_overflows_total", "Records booked under other, since there were too many series.", "metric"
        )

    @property
    def instruments(self) -> Sequence[AnyInstrument]:
        return list(self._instruments.values())

    def counter(self, name: str, meaning: str, *labels: *Names) -> Counter[*Names]:
        return self._made(Counter(self._about(name, meaning, labels)))

    def gauge(self, name: str, meaning: str, *labels: *Names) -> Gauge[*Names]:
        return self._made(Gauge(self._about(name, meaning, labels)))

    def histogram(
        self, name: str, meaning: str, *labels: *Names, bounds: Sequence[float] = SECONDS
    ) -> Histogram[*Names]:
        return self._made(Histogram(self._about(name, meaning, labels), bounds))

    def take(self) -> Delta:
        """What another process can add to its own: JSON. Counters and histograms begin anew here."""
        taken = ((name, instrument.take()) for name, instrument in self._instruments.items())
        return [[name, list(labels), n] for name, samples in taken for labels, n in samples]

    def add(self, delta: Iterable[Sequence[Any]]) -> None:
        """What a child took. A name that is not known here is none of ours."""
        for name, labels, n in delta:
            instrument = self._instruments.get(name)
            if instrument is not None:
                instrument.add(tuple(labels), n)
                if isinstance(instrument, Gauge):
                    self._lent.add((name, tuple(labels)))

    def settle(self) -> None:
        """The child is gone, and so is what its gauges said."""
        for name, labels in self._lent:
            self._instruments[name].add(labels, 0)
        self._lent.clear()

    def forget(self) -> None:
        """For a child that was forked: what it was born with is its parent's."""
        for instrument in self._instruments.values():
            instrument.forget()

    def _about(self, name: str, meaning: str, labels: tuple[Any, ...]) -> About:
        return About(name, meaning, labels, lambda metric: self._overflows.inc(metric))

    def _made(self, instrument: Made) -> Made:
        if self._instruments.setdefault(instrument.about.name, instrument) is not instrument:
            raise ValueError(f"{instrument.about.name} is made twice")
        if not instrument.about.labels and instrument.kind != "gauge":
            instrument.expect()
        return instrument


REGISTRY: Final = Registry()
counter, gauge, histogram = REGISTRY.counter, REGISTRY.gauge, REGISTRY.histogram
