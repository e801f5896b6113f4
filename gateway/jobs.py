"""The job routes: hand in, look, call off, try again. Everything a caller sees is its own."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway import cursors
from gateway.resources import Caller, Opened, Resources
from gateway.submission import Submission, accept
from gateway.views import Accepted, Document, DocumentPage, DocumentState, Job, JobPage
from shared.contracts.envelope import to_event
from shared.contracts.jobs import JobCancelRequested, JobReplayRequested, JobStatus, StageName
from shared.contracts.payload import Payload
from shared.errors import Conflict, NotFound
from shared.events.ids import derived_id
from shared.store import reads

RUNNING = frozenset({"accepted", "running"})
POLL_S = 0.25

Limit = Annotated[int, Query(ge=1, le=500, description="how many at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=200, description="the same key and body give the same job")
]


async def submit(
    body: Submission, caller: Caller, resources: Opened, response: Response, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Takes URLs in: all, or none of them when one is not acceptable."""
    job_id = uuid4()
    if idempotency_key is not None:
        job_id = UUID(derived_id(caller.caller_id, idempotency_key, json.dumps(body.model_dump())))
    accepted = await accept(body, caller.caller_id, job_id, resources)
    response.headers["Location"] = accepted.links["self"]
    return accepted


async def list_jobs(
    caller: Caller, resources: Opened, status: JobStatus | None = None, limit: Limit = 50, cursor: Cursor = None
) -> JobPage:
    """The caller's jobs, newest first."""
    before = None if cursor is None else cursors.decode(cursor, _moment)
    found = await reads.list_jobs(resources.store, caller.caller_id, status=status, limit=limit + 1, before=before)
    now, page = datetime.now(UTC), found[:limit]
    more = cursors.encode(page[-1].created_at.isoformat()) if len(found) > limit else None
    return JobPage(jobs=[Job.of(view, now) for view in page], next=more)


async def show(
    job_id: UUID,
    caller: Caller,
    resources: Opened,
    wait: Annotated[float, Query(ge=0, le=30, description="seconds to wait for a change")] = 0,
) -> Job:
    """One job with its progress. With `wait`, answers when something changed, the job ended, or the time is over."""
    view = first = await _own_job(resources, caller.caller_id, job_id)
    until = asyncio.get_running_loop().time() + wait
    while view == first and view.status in RUNNING and asyncio.get_running_loop().time() + POLL_S <= until:
        await asyncio.sleep(POLL_S)
        view = await _own_job(resources, caller.caller_id, job_id)
    return Job.of(view, datetime.now(UTC))


async def documents(
    job_id: UUID,
    caller: Caller,
    resources: Opened,
    status: DocumentState | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DocumentPage:
    """The documents of a job, in the order of submission."""
    after = -1 if cursor is None else cursors.decode(cursor, _ordinal)
    await _own_job(resources, caller.caller_id, job_id)
    now = datetime.now(UTC)
    found = await reads.list_documents(
        resources.store, caller.caller_id, job_id, now=now, state=status, limit=limit + 1, after=after
    )
    page = found[:limit]
    more = cursors.encode(str(page[-1].ordinal)) if len(found) > limit else None
    return DocumentPage(documents=[Document.of(row) for row in page], next=more)


async def cancel(job_id: UUID, caller: Caller, resources: Opened) -> Job:
    """Calls off what has not ended yet. Calling off twice changes nothing."""
    view = await _own_job(resources, caller.caller_id, job_id)
    if view.status not in RUNNING and view.status != "cancelled":
        raise Conflict("job_ended", f"the job has already ended: {view.status}")
    await _tell(resources, JobCancelRequested(job_id=job_id, caller_id=caller.caller_id))
    return Job.of(await _own_job(resources, caller.caller_id, job_id), datetime.now(UTC))


class Replay(BaseModel):
    """Which failed documents go again, all when none is named, and from where: by default where they failed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"from_stage": "chunk"}]})

    document_ids: Annotated[tuple[UUID, ...] | None, Field(min_length=1, max_length=1000)] = None
    from_stage: StageName | None = None


async def replay(job_id: UUID, caller: Caller, resources: Opened, body: Replay | None = None) -> Job:
    """Sends failed documents through again; what went wrong before stays on record."""
    view = await _own_job(resources, caller.caller_id, job_id)
    if not view.counts.get("failed"):
        raise Conflict("nothing_failed", "no document of this job has failed")
    asked = body or Replay()
    payload = JobReplayRequested(
        job_id=job_id, caller_id=caller.caller_id, document_ids=asked.document_ids, from_stage=asked.from_stage
    )
    await _tell(resources, payload)
    return Job.of(await _own_job(resources, caller.caller_id, job_id), datetime.now(UTC))


async def _own_job(resources: Resources, caller_id: str, job_id: UUID) -> reads.JobView:
    view = await reads.get_job(resources.store, caller_id, job_id)
    if view is None:
        raise NotFound("job_not_found", "there is no such job, or it is not yours")
    return view


async def _tell(resources: Resources, payload: Payload) -> None:
    event = to_event(payload, source="/gateway", cause=None, time=datetime.now(UTC))
    await resources.functions.send("orchestrator", event)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


def _ordinal(text: str) -> int:
    ordinal = int(text)
    if not 0 <= ordinal < 2**31:
        raise ValueError(text)
    return ordinal
