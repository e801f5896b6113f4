"""Holds requests until a replica has room: first come, first served, and never more in a replica than its limit."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

MAX_QUEUED = 10_000
FEW_SLOTS = 3


class QueueFull(Exception):
    """More requests are held than the bound allows."""


class Closed(Exception):
    """These replicas take no more requests; others may."""


class Backend(Protocol):
    """Something that takes requests. `drained` is called when the last one left after it was removed."""

    in_flight: int

    def drained(self) -> None: ...


B = TypeVar("B", bound=Backend)


class Activator(Generic[B]):
    """`concurrency` 0 means unlimited. `on_change` hears +1 and -1 of the demand, held and in flight together."""

    def __init__(
        self,
        concurrency: int,
        on_change: Callable[[int], None],
        *,
        max_queued: int = MAX_QUEUED,
        seed: int | None = None,
    ) -> None:
        self.backends: list[B] = []
        self.queued = 0
        self._concurrency = concurrency
        self._on_change = on_change
        self._max_queued = max_queued
        self._waiting: deque[asyncio.Future[B]] = deque()
        self._random = random.Random(seed)  # noqa: S311
        self._turn = 0
        self._closed = False

    async def acquire(self) -> B:
        """A replica with a slot taken, for `release`. Raises `QueueFull`, `Closed`. Cancelling gives up the place."""
        if self._closed:
            raise Closed
        backend = None if self.queued else self._choose()
        if backend is not None:
            backend.in_flight += 1
            self._on_change(1)
            return backend
        if self.queued >= self._max_queued:
            raise QueueFull
        return await self._wait()

    def release(self, backend: B) -> None:
        backend.in_flight -= 1
        self._on_change(-1)
        if backend in self.backends:
            self._dispatch()
        elif backend.in_flight == 0:
            backend.drained()

    def add(self, backend: B) -> None:
        self.backends.append(backend)
        self._dispatch()

    def remove(self, backend: B) -> None:
        """No new requests for it from now on."""
        if backend in self.backends:
            self.backends.remove(backend)
        if backend.in_flight == 0:
            backend.drained()

    def close(self) -> None:
        """Turns away those that wait, and whoever comes from now on."""
        self._closed = True
        for place in self._waiting:
            if not place.done():
                place.set_exception(Closed())

    async def _wait(self) -> B:
        place: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self.queued += 1
        self._on_change(1)
        try:
            return await place
        except Closed:
            self._leave()
            raise
        except asyncio.CancelledError:
            if place.cancelled() or place.exception() is not None:
                self._leave()
            else:
                self.release(place.result())
            raise

    def _leave(self) -> None:
        self.queued -= 1
        self._on_change(-1)
        if len(self._waiting) > 2 * self.queued + 64:
            self._waiting = deque(place for place in self._waiting if not place.done())

    def _dispatch(self) -> None:
        while self._waiting and (backend := self._choose()) is not None:
            place = self._waiting.popleft()
            if not place.done():
                self.queued -= 1
                backend.in_flight += 1
                place.set_result(backend)

    def _choose(self) -> B | None:
        free = self.backends
        if self._concurrency:
            free = [backend for backend in free if backend.in_flight < self._concurrency]
        if len(free) < 2:
            return free[0] if free else None
        if not self._concurrency:
            return self._less_busy_of_two(free)
        if self._concurrency <= FEW_SLOTS:
            return free[0]
        self._turn += 1
        return free[self._turn % len(free)]

    def _less_busy_of_two(self, free: Sequence[B]) -> B:
        one, other = self._random.sample(free, 2)
        return one if one.in_flight <= other.in_flight else other
