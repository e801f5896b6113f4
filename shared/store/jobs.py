"""A job as a whole: called off, asked for again, ended."""

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared.contracts.envelope import to_event
from shared.contracts.jobs import (
    JobCancelled,
    JobCancelRequested,
    JobCompleted,
    JobCounts,
    JobEnded,
    JobFailed,
    JobReplayRequested,
    JobStatus,
    Webhook,
)
from shared.contracts.stages import EmbedRequested, ScrapeRequested, WorkReady
from shared.events.event import CloudEvent
from shared.pipeline.advance import advance
from shared.pipeline.decision import Move
from shared.pipeline.facts import Replayed
from shared.pipeline.policy import Policy
from shared.pipeline.states import State, job_status
from shared.store import journal, measures, outbox, traces
from shared.store.nudges import nudge
from shared.store.outgoing import SOURCE
from shared.store.queries import load
from shared.store.store import Store
from shared.store.views import view_of

if TYPE_CHECKING:
    import asyncpg

    from shared.store.store import Connection

_SQL: Final = load("jobs")
_ENDINGS: Final[dict[JobStatus, type[JobEnded]]] = {
    "completed": JobCompleted,
    "completed_with_errors": JobCompleted,
    "failed": JobFailed,
    "cancelled": JobCancelled,
}


async def received(connection: "Connection", event: CloudEvent, now: datetime) -> bool:
    """Puts the event into the inbox; False when it was there."""
    new = await connection.fetchval(load("transitions")["receive"], event.source, event.id, now)
    return bool(new)


async def cancel_job(store: Store, event: CloudEvent, payload: JobCancelRequested, now: datetime) -> list[CloudEvent]:
    """Everything unfinished of the job ends as cancelled; whoever works on it loses its claim."""
    async with store.transaction() as connection:
        if not await received(connection, event, now):
            return []
        if not await connection.fetchval(_SQL["request_cancel"], payload.job_id, payload.caller_id, now):
            return []
        cancelled = await connection.fetch(_SQL["cancel_documents"], payload.job_id, now, traces.most())
    traces.called_off(cancelled, now)
    return await end_job(store, payload.job_id, event, now)


async def replay_job(
    store: Store, event: CloudEvent, payload: JobReplayRequested, now: datetime, policy: Policy
) -> list[CloudEvent]:
    """Failed documents go again; their diagnoses stay."""
    async with store.transaction() as connection:
        if not await received(connection, event, now):
            return []
        if await connection.fetchval(_SQL["lock_job"], payload.job_id, payload.caller_id) is None:
            return []
        moves = await _restart(connection, payload, now)
        hints = await outbox.note_hints(connection, _hints(moves), event, now)
    return hints + await nudge(store, now, policy)


async def _restart(connection: "Connection", payload: JobReplayRequested, now: datetime) -> list[Move]:
    ids = list(payload.document_ids) if payload.document_ids is not None else None
    error = (payload.error_code, payload.error_stage, payload.error_kind)
    rows = await connection.fetch(_SQL["failed_documents"], payload.job_id, ids, *error)
    decided = [(row["id"], advance(view_of(row), Replayed(payload.from_stage), now)) for row in rows]
    moves = {document_id: move for document_id, move in decided if isinstance(move, Move)}
    if moves:
        states = [move.state.value for move in moves.values()]
        asked = traces.who_asked()
        await connection.execute(_SQL["restart_documents"], payload.job_id, list(moves), states, now, asked)
        await connection.execute(_SQL["restart"], payload.job_id, now)
    return list(moves.values())


def _hints(moves: list[Move]) -> list[WorkReady]:
    states = {move.state for move in moves}
    hints: list[WorkReady] = [ScrapeRequested(reason="replayed")] if State.PENDING in states else []
    return hints + ([EmbedRequested(reason="replayed")] if State.EMBEDDING in states else [])


async def end_job(store: Store, job_id: UUID, cause: CloudEvent | None, now: datetime) -> list[CloudEvent]:
    """Ends the job if nothing of it is unfinished; the event that says so, once, if anybody is to be told.

    Reads first, in a snapshot of its own after the last document's commit, and writes only when it is the end: the
    job's row is not touched by each of its documents.
    """
    rows = await store.fetch(_SQL["finished"], job_id)
    if not rows:
        return []
    job = rows[0]
    counts = {State(row["state"]): row["n"] for row in rows}
    status = job_status(counts, cancel_requested=job["cancel_requested"])
    event = _ending(job_id, job, status, counts, cause, now)
    ids, texts = outbox.columns([event])
    told = (job["announced"], webhook_url(job["webhook"], event.type))
    outboxed = (ids[0], texts[0], outbox.due_at(now))
    ended = await store.fetch(_SQL["finish"], job_id, job["generation"], status, now, *outboxed, *told)
    if ended:
        measures.ended(status, job["created_at"], now)
        journal.ended(job_id, status, counts)
        await store.fetch(_SQL["fold"], job_id)
    return [event] if ended and job["announced"] else []


def webhook_url(webhook: str | None, event_type: str) -> str | None:
    """Where the job wants to hear of this ending; None when it does not."""
    hook = Webhook.model_validate_json(webhook) if webhook else None
    return hook.url if hook and event_type in {f"dev.sluice.{name}.v1" for name in hook.events} else None


def _ending(
    job_id: UUID,
    job: "asyncpg.Record",
    status: JobStatus,
    counts: dict[State, int],
    cause: CloudEvent | None,
    now: datetime,
) -> CloudEvent:
    payload = _ENDINGS[status](
        job_id=job_id,
        caller_id=job["caller_id"],
        corpus=job["corpus"],
        status=status,
        counts=JobCounts(**{state.value: n for state, n in counts.items() if state.value in JobCounts.model_fields}),
        seconds=max(0.0, (now - job["created_at"]).total_seconds()),
    )
    return to_event(payload, source=SOURCE, cause=cause, time=now, traceparent=None if cause else job["traceparent"])
