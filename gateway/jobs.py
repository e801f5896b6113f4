"""The job routes: hand in, look, call off, try again. Everything a caller sees is its own."""

import asyncio
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway import cursors
from gateway.accepting import accept, answer, fingerprint, read
from gateway.parameters import Cursor, Limit, Moment
from gateway.resources import Caller, Opened, Resources
from gateway.submission import Submission
from gateway.views import Accepted, Job, JobPage
from shared.contracts.envelope import to_event
from shared.contracts.jobs import CorpusName, JobCancelRequested, JobReplayRequested, JobStatus, StageName
from shared.contracts.payload import ErrorCode, Payload
from shared.contracts.stages import FailedStage, FailureKind
from shared.errors import Conflict, InvalidInput, NotFound
from shared.events.ids import derived_id
from shared.store import reads
from shared.store.reads import JobFilter

RUNNING = frozenset({"accepted", "running"})
POLL_S = 0.25


IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="the same key and body are the same job; another body is refused"),
]


async def submit(
    body: Submission, caller: Caller, resources: Opened, response: Response, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Takes URLs in: all, or none of them when one is not acceptable."""
    job_id, request_sha256 = uuid4(), None
    if idempotency_key is not None:
        job_id = UUID(derived_id(caller.caller_id, "idempotency", idempotency_key))
        request_sha256 = fingerprint(body)
    asked = await read(body, resources.settings.webhook_guard, request_sha256=request_sha256)
    await accept(asked, caller, job_id, resources)
    if idempotency_key is not None and await reads.get_job(resources.store, caller.caller_id, job_id) is None:
        raise InvalidInput(
            "idempotency_key_reused",
            "this key was used before, for a job that was deleted with its corpus: take a new one",
            field="Idempotency-Key",
        )
    accepted = answer(asked, job_id)
    response.headers["Location"] = accepted.links["self"]
    return accepted


async def list_jobs(
    caller: Caller,
    resources: Opened,
    status: JobStatus | None = None,
    corpus: CorpusName | None = None,
    since: Annotated[Moment | None, Query(description="created then or later")] = None,
    before: Annotated[Moment | None, Query(description="created earlier")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobPage:
    """The caller's jobs, newest first."""
    after = None if cursor is None else cursors.decode_moment(cursor)
    wanted = JobFilter(status=status, corpus=corpus, since=since, before=before)
    found = await reads.list_jobs(resources.store, caller.caller_id, wanted, limit=limit + 1, after=after)
    now, page = resources.store.clock.now(), found[:limit]
    more = cursors.encode_moment(page[-1].created_at, page[-1].id) if len(found) > limit else None
    return JobPage(jobs=[Job.of(view, now) for view in page], next=more)


async def show(
    job_id: UUID,
    caller: Caller,
    resources: Opened,
    wait: Annotated[float, Query(ge=0, le=30, description="seconds to wait for a change")] = 0,
) -> Job:
    """One job with its progress. With `wait`, answers when something changed, the job ended, or the time is over."""
    view = first = await own_job(resources, caller.caller_id, job_id)
    until = asyncio.get_running_loop().time() + wait
    while view == first and view.status in RUNNING and asyncio.get_running_loop().time() + POLL_S <= until:
        await asyncio.sleep(POLL_S)
        view = await own_job(resources, caller.caller_id, job_id)
    return Job.of(view, resources.store.clock.now())


async def cancel(job_id: UUID, caller: Caller, resources: Opened) -> Job:
    """Calls off what has not ended yet. Calling off twice changes nothing."""
    view = await own_job(resources, caller.caller_id, job_id)
    if view.status not in RUNNING and view.status != "cancelled":
        raise Conflict("job_ended", f"the job has already ended: {view.status}")
    await tell(resources, JobCancelRequested(job_id=job_id, caller_id=caller.caller_id))
    return Job.of(await own_job(resources, caller.caller_id, job_id), resources.store.clock.now())


class Replay(BaseModel):
    """Which failed documents go again, and from where: by default all, from where they failed.

    Of the conditions, all that are given must hold.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"error_code": "http_503"}, {"error_stage": "embedding", "from_stage": "chunk"}]
        },
    )

    document_ids: Annotated[tuple[UUID, ...] | None, Field(min_length=1, max_length=1000)] = None
    error_code: ErrorCode | None = None
    error_stage: FailedStage | None = None
    error_kind: FailureKind | None = None
    from_stage: StageName | None = None


async def replay(job_id: UUID, caller: Caller, resources: Opened, body: Replay | None = None) -> Job:
    """Sends failed documents through again; what went wrong before stays on record."""
    view = await own_job(resources, caller.caller_id, job_id)
    if not view.counts.get("failed"):
        raise Conflict("nothing_failed", "no document of this job has failed")
    payload = JobReplayRequested(job_id=job_id, caller_id=caller.caller_id, **dict(body or Replay()))
    await tell(resources, payload)
    return Job.of(await own_job(resources, caller.caller_id, job_id), resources.store.clock.now())


async def own_job(resources: Resources, caller_id: str, job_id: UUID) -> reads.JobView:
    """Raises `NotFound` for another caller's job as for none."""
    view = await reads.get_job(resources.store, caller_id, job_id)
    if view is None:
        raise NotFound("job_not_found", "there is no such job, or it is not yours")
    return view


async def tell(resources: Resources, payload: Payload) -> None:
    """The orchestrator knows it when this returns."""
    event = to_event(payload, source="/gateway", cause=None, time=resources.store.clock.now())
    await resources.functions.send("orchestrator", event)
