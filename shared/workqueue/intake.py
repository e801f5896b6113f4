"""Decides when a worker claims more: a quarter of its places is free, and the last claim was not just short.

A document that was in hand when a worker died comes alone: that says nothing of how much else is ready.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic

from shared.workqueue.in_hand import C, InHand

log = logging.getLogger(__name__)

POLL_S = 0.25
RETRY_CLAIM_S = 2.0
CLAIM_TRIES = 5


class Intake(Generic[C]):
    """`run` claims until nothing is left, the deadline has passed and all is settled, or `stop` is set."""

    def __init__(
        self,
        run: InHand[C],
        claim: Callable[[int], Awaitable[Sequence[C]]],
        concurrency: int,
        linger_s: float,
        saturated: Callable[[], Awaitable[None]] | None,
        clock: Callable[[], float],
    ) -> None:
        self._run = run
        self._claim = claim
        self._concurrency = concurrency
        self._refill = max(1, concurrency // 4)
        self._linger_s = linger_s
        self._saturated = saturated
        self._clock = clock
        self._failures = 0
        self._next_claim = self._last_work = clock()

    async def run(self, deadline: float, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            while not stop.is_set() and await self._step(deadline, stopping):
                pass
        finally:
            stopping.cancel()

    async def _step(self, deadline: float, stopping: "asyncio.Task[bool]") -> bool:
        """Claims what fits, then waits for something to change. False when there is nothing left to do."""
        open_for_work = self._clock() < deadline
        if open_for_work and self._due():
            await self._take()
        active = self._run.active
        if active:
            self._last_work = self._clock()
        elif not open_for_work or self._idle():
            self._run.report.more = not open_for_work
            return False
        pause = self._pause(deadline) if open_for_work else None
        await asyncio.wait({*active, stopping}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        return True

    def _free(self) -> int:
        return self._concurrency - len(self._run.active)

    def _due(self) -> bool:
        return self._free() >= self._refill and self._clock() >= self._next_claim and not self._suspect()

    def _suspect(self) -> bool:
        return any(claim.deaths for claim, _ in self._run.active.values())

    def _idle(self) -> bool:
        """Whoever found nothing at all leaves at once; whoever worked waits a little for more."""
        if self._failures:
            return False
        return not self._run.report.claimed or self._clock() - self._last_work >= self._linger_s

    def _pause(self, deadline: float) -> float | None:
        until = self._next_claim if self._free() >= self._refill and not self._suspect() else deadline
        return max(0.0, until - self._clock())

    async def _take(self) -> None:
        wanted = self._free()
        try:
            claims = await self._claim(wanted)
        except Exception as exc:
            self._claim_failed(exc)
            return
        self._failures = 0
        for claim in claims:
            self._run.start(claim)
        if len(claims) < wanted and not self._suspect():
            self._next_claim = self._clock() + POLL_S
        elif claims:
            await self._tell_saturated()

    def _claim_failed(self, exc: Exception) -> None:
        self._failures += 1
        if self._failures >= CLAIM_TRIES:
            raise exc
        log.warning("claim failed, will try again", exc_info=exc)
        self._next_claim = self._clock() + RETRY_CLAIM_S

    async def _tell_saturated(self) -> None:
        tell, self._saturated = self._saturated, None
        if tell is None:
            return
        try:
            await tell()
        except Exception as exc:
            log.warning("could not wake another worker: %s", exc)
