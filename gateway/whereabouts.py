"""What became of a URL or a document, for whoever does not know its job: where it is, and why."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from gateway.documents import DocumentDetail, Failure
from gateway.parameters import Whole
from gateway.progress import progress_of
from gateway.resources import Caller, Opened
from gateway.views import DocumentState
from gateway.why import Facts, explain
from shared.contracts.jobs import JobStatus
from shared.errors import NotFound
from shared.store import reads
from shared.store.whereabouts import Whereabouts as Row
from shared.store.whereabouts import documents_of_url, get_whereabouts
from shared.urls import normalise

DOCUMENTS = "/api/orchestrator/documents"
LONGEST_URL = 4096


class Whereabouts(DocumentDetail):
    """A document with what it depends on, and all that in words: `why`.

    `ahead` counts your own documents that come before it, up to 1,000. `pace_s` is what its domain gets a request each;
    `eta_s` when its whole job may be done. Search sees the version that `shown_document_id` made.
    """

    job_id: UUID
    job_status: JobStatus
    corpus: str
    created_at: datetime
    lease_until: datetime | None
    result_sent: bool
    workers_died: int
    domain: str
    pace_s: float
    ahead: int
    eta_s: float | None
    shown_document_id: UUID | None
    why: str


class Seen(BaseModel):
    """A document of a URL."""

    document_id: UUID
    job_id: UUID
    corpus: str
    status: DocumentState
    created_at: datetime


class SeenDocuments(BaseModel):
    """The newest first."""

    documents: list[Seen]


async def of_url(
    caller: Caller,
    resources: Opened,
    url: Annotated[str, Query(min_length=1, max_length=LONGEST_URL, description="as it was handed in, or alike")],
    limit: Annotated[Whole, Query(ge=1, le=100, description="how many at most")] = 20,
) -> SeenDocuments:
    """The caller's documents of a URL, whichever job they belong to."""
    found = await documents_of_url(resources.store, caller.caller_id, normalise(url), limit=limit)
    return SeenDocuments(
        documents=[
            Seen.model_validate(
                {
                    "document_id": one.id,
                    "job_id": one.job_id,
                    "corpus": one.corpus,
                    "status": one.state,
                    "created_at": one.created_at,
                }
            )
            for one in found
        ]
    )


async def show(document_id: UUID, caller: Caller, resources: Opened) -> Whereabouts:
    """Where one document is, what it waits for, and what comes next."""
    row = await get_whereabouts(resources.store, caller.caller_id, document_id)
    if row is None:
        raise NotFound("document_not_found", "there is no such document, or it is not yours")
    failures = await reads.list_failures(resources.store, caller.caller_id, document_id)
    now = resources.store.clock.now()
    job = await reads.get_job(resources.store, caller.caller_id, row.job_id)
    eta_s = progress_of(job, now).eta_s if job else None
    why = explain(Facts(row, failures, eta_s, now))
    more = {"eta_s": eta_s, "why": why, "failures": [Failure.of(one) for one in failures]}
    return Whereabouts.of(row, now, **_about(row), **more)


def _about(row: Row) -> dict[str, object]:
    return {
        "job_id": row.job_id,
        "job_status": row.job_status,
        "corpus": row.corpus,
        "created_at": row.created_at,
        "lease_until": row.lease_until,
        "result_sent": row.reported,
        "workers_died": row.deaths,
        "domain": row.domain,
        "pace_s": row.pace_s,
        "ahead": row.ahead,
        "shown_document_id": row.shown_document_id,
    }
