"""Adds up what a piece of work takes, where it is taken, and hands the sum to whoever reports the work."""

import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from observe.steps import Stepwise
from shared.contracts.costs import Spent

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Tally:
    """The fields are those of `Spent`."""

    fetched_bytes: int = 0
    decoded_bytes: int = 0
    embedded_tokens: int = 0
    embed_requests: float = 0.0
    cpu_s: float = 0.0

    def spent(self) -> Spent:
        """Until now, in microseconds and millionths of a request: more digits would only make events longer."""
        return Spent(
            fetched_bytes=self.fetched_bytes,
            decoded_bytes=self.decoded_bytes,
            embedded_tokens=self.embedded_tokens,
            embed_requests=round(self.embed_requests, 6),
            cpu_s=round(self.cpu_s, 6),
        )


_current: ContextVar[Tally | None] = ContextVar("tally", default=None)


def current() -> Tally:
    """Of the work that this task or thread does; one that nobody looks at where nobody counts."""
    return _current.get() or Tally()


@contextmanager
def counting(tally: Tally) -> Iterator[None]:
    """Tasks and threads that are started inside count for it too."""
    before = _current.set(tally)
    try:
        yield
    finally:
        _current.reset(before)


def metered(work: Awaitable[T], tally: Tally) -> Awaitable[T]:
    """The same work; the processor time of its own steps is charged, not what runs while it waits."""
    return Stepwise(work, _Meter(tally))


class _Meter:
    """Around a step: two looks at the thread's clock, three microseconds, where a page takes some fifty steps."""

    __slots__ = ("_began", "_tally")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._tally.cpu_s += time.thread_time() - self._began


class SharedProcessor:
    """For work in threads of its own: the process's time is charged to those at work, in equal parts.

    Their own threads alone would say too little: a tokenizer computes in threads of its own.
    """

    def __init__(self) -> None:
        self._working: list[Tally] = []
        self._settled = 0.0

    @contextmanager
    def charge(self, tally: Tally) -> Iterator[None]:
        """From the event loop's thread."""
        self._settle()
        self._working.append(tally)
        try:
            yield
        finally:
            self._settle()
            self._working.remove(tally)

    def _settle(self) -> None:
        now = time.process_time()
        for tally in self._working:
            tally.cpu_s += (now - self._settled) / len(self._working)
        self._settled = now
