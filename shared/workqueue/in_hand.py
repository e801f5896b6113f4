"""The documents that a worker has in hand, each worked on by a task of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from observe.span import Span
from shared.contracts.costs import Spent, StageReport
from shared.contracts.stages import FailedStage, StageFailed
from shared.errors import Interrupted, SluiceError, Transient
from shared.stage_measures import Work, documents_in_hand
from shared.tally import Tally, counting, metered

log = logging.getLogger(__name__)

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
DocumentWork: TypeAlias = Callable[[C], Coroutine[Any, Any, StageReport | None]]
Publish: TypeAlias = Callable[[StageReport, C], Coroutine[Any, Any, None]]
# Claims with what the work on each has taken, and the seconds before the next claim.
Release: TypeAlias = Callable[[Mapping[C, Spent], float | None], Coroutine[Any, Any, None]]
Reported: TypeAlias = Callable[[Sequence[C]], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class DrainReport:
    """What one drain did. `more` says that its time was over while work was probably left."""

    claimed: int = 0
    published: int = 0
    released: int = 0
    lost: int = 0
    more: bool = False


class InHand(Generic[C]):
    """Starts, renews and settles them. What it answers for is in `report`."""

    def __init__(
        self,
        stage: FailedStage,
        work: DocumentWork[C],
        publish: Publish[C],
        release: Release[C],
        reported: Reported[C],
        span: Callable[[C], Span],
    ) -> None:
        self._stage = stage
        self._span = span
        self._work = work
        self._publish = publish
        self._release = release
        self._reported = reported
        self._sent: list[C] = []
        self.active: dict[asyncio.Task[None], tuple[C, Tally]] = {}
        self.report = DrainReport()

    def start(self, claim: C) -> None:
        tally = Tally()
        task = asyncio.create_task(self._one(claim, tally), name=f"document-{claim.document_id}")
        self.active[task] = (claim, tally)
        task.add_done_callback(self._settled)
        documents_in_hand(self._stage, len(self.active))
        self.report.claimed += 1

    def _settled(self, task: asyncio.Task[None]) -> None:
        del self.active[task]
        documents_in_hand(self._stage, len(self.active))

    async def _one(self, claim: C, tally: Tally) -> None:
        with self._span(claim) as span:
            await self._worked(claim, tally, span)

    async def _worked(self, claim: C, tally: Tally, span: Span) -> None:
        work = Work(self._stage)
        try:
            with counting(tally):
                payload = await metered(self._work(claim), tally)
        except Interrupted as exc:
            work.failed("interrupted", exc.code)
            span.failed(exc.code)
            await self._give_back({claim: tally.spent()}, exc.retry_after_s)
        except Exception as exc:
            failure = self._failure(claim, exc)
            work.failed(failure.kind, failure.code)
            span.failed(failure.code)
            span.set("failed.stage", failure.stage)
            await self._deliver(failure, claim, tally.spent())
        else:
            work.ended("passed" if payload is not None else "postponed")
            if payload is not None:
                await self._deliver(payload, claim, tally.spent())

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

    async def _deliver(self, payload: StageReport, claim: C, spent: Spent) -> None:
        """A result that nobody takes is given up after the sink's own tries: the document will be done again."""
        try:
            await self._publish(payload.model_copy(update={"spent": spent}), claim)
        except SluiceError as exc:
            log.warning("result not delivered: %s", exc.message, extra=_where(claim) | {"code": exc.code})
            await self._give_back({claim: spent}, UNDELIVERED_WAIT_S)
        except Exception:
            log.exception("result not delivered", extra=_where(claim))
        else:
            self.report.published += 1
            self._sent.append(claim)

    async def _give_back(self, claims: Mapping[C, Spent], wait_s: float | None) -> None:
        self.report.released += len(claims)
        try:
            async with asyncio.timeout(RELEASE_GRACE_S):
                await self._release(claims, wait_s)
        except Exception:
            log.exception("claims not released: their leases will expire")

    async def renew(self, renew: Callable[[Sequence[C]], Awaitable[Collection[UUID]]]) -> None:
        if not self.active:
            return
        lost = await renew([claim for claim, _ in self.active.values()])
        for task, (claim, _) in list(self.active.items()):
            if claim.document_id in lost:
                self.report.lost += 1
                task.cancel()

    async def close(self) -> None:
        unfinished = dict(self.active)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if broken_off := [work for task, work in unfinished.items() if task.cancelled()]:
            await self._give_back({claim: tally.spent() for claim, tally in broken_off}, None)
        await self.tell_reported()

    async def tell_reported(self) -> None:
        """Says which results were sent since the last time, all at once: one that gets lost is no death of a worker."""
        sent, self._sent = self._sent, []
        if not sent:
            return
        try:
            async with asyncio.timeout(RELEASE_GRACE_S):
                await self._reported(sent)
        except Exception:
            log.exception("sent results not noted: should one be lost, a death is counted")


def _where(claim: Claim) -> dict[str, str]:
    return {"job_id": str(claim.job_id), "document_id": str(claim.document_id)}
