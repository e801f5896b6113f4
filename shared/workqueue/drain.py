"""Claims ready documents and works on them side by side, until nothing is ready or the time is over."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

from observe import tracing
from observe.span import Span
from shared.contracts.stages import FailedStage
from shared.workqueue.in_hand import C, Claim, DocumentWork, DrainReport, InHand, Publish, Release, Reported
from shared.workqueue.intake import Intake
from shared.workqueue.periodic import periodically

__all__ = ["Claim", "DrainReport", "drain"]


def _unnamed(_: object) -> Span:
    return tracing.span("document")


async def drain(
    *,
    stage: FailedStage,
    claim: Callable[[int], Awaitable[Sequence[C]]],
    work: DocumentWork[C],
    publish: Publish[C],
    renew: Callable[[Sequence[C]], Awaitable[Collection[UUID]]],
    release: Release[C],
    reported: Reported[C],
    concurrency: int,
    lease_s: float,
    stop: asyncio.Event,
    budget_s: float = 240.0,
    linger_s: float = 1.0,
    saturated: Callable[[], Awaitable[None]] | None = None,
    sweep: Callable[[], Awaitable[None]] | None = None,
    sweep_s: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
    span: Callable[[C], Span] = _unnamed,
) -> DrainReport:
    """Ends when nothing was ready for `linger_s` after the last document, when `budget_s` is over, or on `stop`.

    `work` answers the payload to publish, or None when it settled the claim itself. A `SluiceError` is published as
    `StageFailed`, transient if it is retryable; `Interrupted` gives the claim back, free of charge, for
    `retry_after_s`; any other exception is the transient failure `internal_error`. `publish` raising gives the claim
    back too. What the work took is in its report, or goes with the claim that is given back. `renew` answers the
    documents that are no longer ours: their work is cancelled and forgotten. `release` is told the seconds before the
    next claim, `reported`, now and then, whose results were sent. `saturated` is called once, when more is ready than
    fits. On `stop` unfinished claims are released. Work and its report happen in `span`.
    """
    run = InHand(stage, work, publish, release, reported, span)

    async def heartbeat() -> None:
        await run.tell_reported()
        await run.renew(renew)

    side = [periodically(lease_s / 3, heartbeat, "heartbeat")]
    if sweep is not None:
        side.append(periodically(sweep_s, sweep, "sweep"))
    try:
        await Intake(run, claim, concurrency, linger_s, saturated, clock).run(clock() + budget_s, stop)
    finally:
        await run.close()
        for task in side:
            task.cancel()
        await asyncio.gather(*side, return_exceptions=True)
    return run.report
