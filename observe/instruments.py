"""What records: counters, gauges and histograms, each a table from label values to numbers.

No lock guards the numbers, since workers fork while other threads of theirs run, and a child would find it locked for
ever. None is needed: a thread gives way only where a bytecode jumps or calls, and `table[key] += n` does neither.
"""

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any, Final, Generic, Literal, Self, TypeAlias, TypeVar, TypeVarTuple

from observe.context import current

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Labels: TypeAlias = tuple[object, ...]
# A number, or [counts, sum, exemplars]: what JSON carries from a child to its parent.
Taken: TypeAlias = Any
V = TypeVar("V")
Ts = TypeVarTuple("Ts")

# More than any of ours makes of known words. Past it a label holds what it should not, which memory must not pay for.
MOST_SERIES: Final = 1000
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class About:
    """What an instrument is called and says. `overflowed` hears its name when a record would be one series too many."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    overflowed: Callable[[str], None]


class Instrument(Generic[V, *Ts]):
    """Its series are bounded in number: what would be one too many is booked under `other`."""

    kind: Kind

    def __init__(self, about: About) -> None:
        self.about = about
        self._table: dict[Labels, V] = {}

    def expect(self, *labels: *Ts) -> Self:
        """Shows zero before it first happens, so that whoever asks for the increase sees the first one, too."""
        self._key(labels)
        return self

    def forget(self) -> None:
        self._table.clear()

    def samples(self) -> list[tuple[Labels, V]]:
        """As they are now; from any thread."""
        return list(self._table.items())

    @abstractmethod
    def take(self) -> list[tuple[Labels, Taken]]:
        """What another process can `add` to what it knows; it is asked for once, and so begins anew here."""

    @abstractmethod
    def add(self, labels: Labels, taken: Taken) -> None: ...

    @abstractmethod
    def _zero(self) -> V: ...

    def _key(self, labels: Labels) -> Labels:
        """Where to book, with an entry in the table."""
        if labels in self._table:
            return labels
        if len(self._table) >= MOST_SERIES:
            self.about.overflowed(self.about.name)
            labels = (OTHER,) * len(labels)
        self._table.setdefault(labels, self._zero())
        return labels


class Counter(Instrument[float, *Ts]):
    """Only grows."""

    kind = "counter"

    def inc(self, *labels: *Ts, by: float = 1) -> None:
        self._table[labels if labels in self._table else self._key(labels)] += by

    def take(self) -> list[tuple[Labels, float]]:
        table, self._table = self._table, dict.fromkeys(self._table, 0)
        return [(labels, n) for labels, n in table.items() if n]

    def add(self, labels: Labels, taken: float) -> None:
        self._table[self._key(labels)] += taken

    def _zero(self) -> float:
        return 0


class Gauge(Instrument[float, *Ts]):
    """Goes up and down. What was never set is not there."""

    kind = "gauge"

    def set(self, value: float, *labels: *Ts) -> None:
        self._table[self._key(labels)] = value

    def change(self, by: float, *labels: *Ts) -> None:
        self._table[self._key(labels)] += by

    def take(self) -> list[tuple[Labels, float]]:
        """Where it stands; it goes on from there."""
        return self.samples()

    def add(self, labels: Labels, taken: float) -> None:
        self._table[self._key(labels)] = taken

    def _zero(self) -> float:
        return 0


@dataclass(slots=True)
class Spread:
    """The values of one series: how many fell up to each bound and above the one before it, and their sum.

    `exemplars`, by bucket: the trace that the last of its values which were sampled was part of, that value, and when.
    """

    counts: list[int]
    total: float = 0.0
    exemplars: dict[int, tuple[str, float, float]] = field(default_factory=dict)


class Histogram(Instrument[Spread, *Ts]):
    """Counts values by ascending bounds."""

    kind = "histogram"

    def __init__(self, about: About, bounds: Sequence[float]) -> None:
        super().__init__(about)
        self.bounds = tuple(map(float, bounds))

    def observe(self, value: float, *labels: *Ts) -> None:
        spread = self._table[labels if labels in self._table else self._key(labels)]
        at = bisect_left(self.bounds, value)
        spread.counts[at] += 1
        spread.total += value
        trace = current()
        if trace is not None and trace.sampled:
            spread.exemplars[at] = (trace.trace_id, value, time())

    def take(self) -> list[tuple[Labels, Taken]]:
        table, self._table = self._table, {labels: self._zero() for labels in self._table}
        return [
            (labels, [spread.counts, spread.total, [*spread.exemplars.items()]])
            for labels, spread in table.items()
            if any(spread.counts)
        ]

    def add(self, labels: Labels, taken: Taken) -> None:
        counts, total, exemplars = taken
        spread = self._table[self._key(labels)]
        for at, count in enumerate(counts):
            spread.counts[at] += count
        spread.total += total
        spread.exemplars.update((at, tuple(exemplar)) for at, exemplar in exemplars)

    def _zero(self) -> Spread:
        return Spread([0] * (len(self.bounds) + 1))
