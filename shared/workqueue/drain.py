"""Claims ready documents and works on them side by side, until nothing is ready or the time is over."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from shared.contracts.payload import Payload
from shared.contracts.stages import FailedStage, StageFailed
from shared.errors import Interrupted, SluiceError, Transient
from shared.workqueue.periodic import periodically

log = logging.getLogger(__name__)

POLL_S = 0.25
RETRY_CLAIM_S = 2.0
CLAIM_TRIES = 5
UNDELIVERED_WAIT_S = 60.0
RELEASE_GRACE_S = 5.0


class Claim(Protocol):
    """A document that this worker may work on until its lease ends.

    `token` fences out older holders. `deaths` counts the workers that died with it in hand: after one, nothing is
    claimed beside it.
    """

    @property
    def job_id(self) -> UUID: ...
    @property
    def document_id(self) -> UUID: ...
    @property
    def token(self) -> int: ...
    @property
    def deaths(self) -> int: ...


C = TypeVar("C", bound=Claim)


@dataclass(slots=True)
class DrainReport:
    """What one drain did. `more` says that its time was over while work was probably left."""

    claimed: int = 0
    published: int = 0
    released: int = 0
    lost: int = 0
    more: bool = False


async def drain(
    *,
    stage: FailedStage,
    claim: Callable[[int], Awaitable[Sequence[C]]],
    work: Callable[[C], Awaitable[Payload | None]],
    publish: Callable[[Payload, C], Awaitable[None]],
    renew: Callable[[Sequence[C]], Awaitable[Collection[UUID]]],
    release: Callable[[Sequence[C], float | None], Awaitable[None]],
    concurrency: int,
    lease_s: float,
    stop: asyncio.Event,
    budget_s: float = 240.0,
    linger_s: float = 1.0,
    saturated: Callable[[], Awaitable[None]] | None = None,
    sweep: Callable[[], Awaitable[None]] | None = None,
    sweep_s: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> DrainReport:
    """Ends when nothing was ready for `linger_s` after the last document, when `budget_s` is over, or on `stop`.

    `work` answers the payload to publish, or None when it settled the claim itself. A `SluiceError` is published as
    `StageFailed`, transient if it is retryable; `Interrupted` gives the claim back, free of charge, for
    `retry_after_s`; any other exception is the transient failure `internal_error`. `publish` raising gives the claim
    back too. `renew` answers the documents that are no longer ours: their work is cancelled and forgotten. `release`
    is told the seconds before the next claim. `saturated` is called once, when more is ready than fits. On `stop`
    unfinished claims are released.
    """
    run = _Drain(stage, work, publish, release)
    side = [periodically(lease_s / 3, lambda: run.renew(renew), "heartbeat")]
    if sweep is not None:
        side.append(periodically(sweep_s, sweep, "sweep"))
    try:
        await _Intake(run, claim, concurrency, linger_s, saturated, clock).run(clock() + budget_s, stop)
    finally:
        await run.close()
        for task in side:
            task.cancel()
        await asyncio.gather(*side, return_exceptions=True)
    return run.report


class _Drain(Generic[C]):
    """The documents in hand, each worked on by a task of its own."""

    def __init__(
        self,
        stage: FailedStage,
        work: Callable[[C], Awaitable[Payload | None]],
        publish: Callable[[Payload, C], Awaitable[None]],
        release: Callable[[Sequence[C], float | None], Awaitable[None]],
    ) -> None:
        self._stage = stage
        self._work = work
        self._publish = publish
        self._release = release
        self.active: dict[asyncio.Task[None], C] = {}
        self.report = DrainReport()

    def start(self, claim: C) -> None:
        task = asyncio.create_task(self._one(claim), name=f"document-{claim.document_id}")
        self.active[task] = claim
        task.add_done_callback(self.active.pop)
        self.report.claimed += 1

    async def _one(self, claim: C) -> None:
        try:
            payload = await self._work(claim)
        except Interrupted as exc:
            await self._give_back([claim], exc.retry_after_s)
        except Exception as exc:
            await self._deliver(self._failure(claim, exc), claim)
        else:
            if payload is not None:
                await self._deliver(payload, claim)

    def _failure(self, claim: C, exc: Exception) -> StageFailed:
        if not isinstance(exc, SluiceError):
            log.error("work failed", exc_info=exc, extra=_where(claim))
            exc = Transient("internal_error", "the worker hit an unexpected error; its log has the details")
        return StageFailed(
            job_id=claim.job_id,
            document_id=claim.document_id,
            token=claim.token,
            stage=self._stage,
            kind="transient" if exc.retryable else "permanent",
            code=exc.code,
            message=exc.message[:500],
            retry_after_s=exc.retry_after_s,
        )

    async def _deliver(self, payload: Payload, claim: C) -> None:
        """A result that nobody takes is given up after the sink's own tries: the document will be done again."""
        try:
            await self._publish(payload, claim)
        except SluiceError as exc:
            log.warning("result not delivered: %s", exc.message, extra=_where(claim) | {"code": exc.code})
            await self._give_back([claim], UNDELIVERED_WAIT_S)
        except Exception:
            log.exception("result not delivered", extra=_where(claim))
        else:
            self.report.published += 1

    async def _give_back(self, claims: Sequence[C], wait_s: float | None) -> None:
        self.report.released += len(claims)
        try:
            async with asyncio.timeout(RELEASE_GRACE_S):
                await self._release(claims, wait_s)
        except Exception:
            log.exception("claims not released: their leases will expire")

    async def renew(self, renew: Callable[[Sequence[C]], Awaitable[Collection[UUID]]]) -> None:
        if not self.active:
            return
        lost = await renew(list(self.active.values()))
        for task, claim in list(self.active.items()):
            if claim.document_id in lost:
                self.report.lost += 1
                task.cancel()

    async def close(self) -> None:
        unfinished = dict(self.active)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if claims := [claim for task, claim in unfinished.items() if task.cancelled()]:
            await self._give_back(claims, None)


class _Intake(Generic[C]):
    """Decides when to claim: a quarter of the slots free, or a short wait after the last claim came back short."""

    def __init__(
        self,
        run: _Drain[C],
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
        return any(claim.deaths for claim in self._run.active.values())

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
        if len(claims) < wanted:
            self._next_claim = self._clock() + POLL_S
        else:
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


def _where(claim: Claim) -> dict[str, str]:
    return {"job_id": str(claim.job_id), "document_id": str(claim.document_id)}
