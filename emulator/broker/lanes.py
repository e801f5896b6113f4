"""A queue a Trigger: first in, first out as far as possible, a bounded number of deliveries at once.

A delivery that waits for its next attempt holds neither a place nor a task; a slow subscriber holds up nobody else.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from emulator.broker.flight import End, Flight, Move
from emulator.broker.ports import Clock, Timer


@dataclass(slots=True)
class Counts:
    """Plain counters of one Trigger; `status` and `metrics` read them."""

    delivered: int = 0
    retried: int = 0
    dead_lettered: int = 0
    dropped: int = 0

    def end(self, end: End) -> None:
        match end:
            case End.DELIVERED:
                self.delivered += 1
            case End.DEAD_LETTERED:
                self.dead_lettered += 1
            case End.LOST:
                self.dropped += 1


@dataclass(slots=True, eq=False)
class Lane:
    """`step` makes one attempt; `ended` hears of every flight that is over."""

    name: str
    parallelism: int
    step: Callable[[Flight], Awaitable[Move]]
    ended: Callable[[Flight, End], None]
    clock: Clock
    counts: Counts = field(default_factory=Counts)
    _ready: deque[Flight] = field(default_factory=deque)
    _workers: set[asyncio.Task[None]] = field(default_factory=set)
    _waiting: dict[int, Timer] = field(default_factory=dict)
    _closed: bool = False

    @property
    def depth(self) -> int:
        return len(self._ready) + len(self._workers) + len(self._waiting)

    def push(self, flight: Flight) -> None:
        self._waiting.pop(flight.key, None)
        self._ready.append(flight)
        if len(self._workers) < self.parallelism and not self._closed:
            worker = asyncio.get_running_loop().create_task(self._work(), name=f"deliver {self.name}")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def drain(self, deadline_s: float) -> None:
        """Lets the requests under way end; what is queued or waits stays for the next start."""
        self._closed = True
        for timer in self._waiting.values():
            timer.cancel()
        self._ready.clear()
        if self._workers:
            await asyncio.wait(self._workers, timeout=deadline_s)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self) -> None:
        while self._ready:
            await self._fly(self._ready.popleft())

    async def _fly(self, flight: Flight) -> None:
        """Until the flight ends or has to wait."""
        while True:
            move = await self.step(flight)
            if isinstance(move, End):
                self.counts.end(move)
                self.ended(flight, move)
                return
            self.counts.retried += move.is_retry
            flight = move.flight
            if self._closed and move.is_retry:
                return
            if move.wait_s > 0:
                self._waiting[flight.key] = self.clock.call_later(move.wait_s, partial(self.push, flight))
                return
