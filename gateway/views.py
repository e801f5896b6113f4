"""What the gateway answers about jobs, as types: the public contract."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel

from gateway.progress import Progress, progress_of
from shared.contracts.jobs import JobStatus
from shared.store.reads import JobView

DocumentState = Literal["pending", "scraping", "chunking", "embedding", "indexed", "unchanged", "failed", "cancelled"]
STATES: tuple[DocumentState, ...] = (
    "pending",
    "scraping",
    "chunking",
    "embedding",
    "indexed",
    "unchanged",
    "failed",
    "cancelled",
)


class Skipped(BaseModel):
    """A URL that was left out, by the field it came in, and why."""

    field: str
    code: str
    message: str


class Accepted(BaseModel):
    """The job is stored and will be worked on. Of a sitemap, `documents` counts the sitemap itself."""

    job_id: UUID
    status: Literal["accepted"] = "accepted"
    documents: int
    corpus: str
    skipped: list[Skipped] | None = None
    links: dict[str, str]


class AcceptedBatch(BaseModel):
    """One job an event, in the order of the batch."""

    jobs: list[Accepted]


class Job(BaseModel):
    """`counts` are documents by state and add up to `documents`; `seconds` runs until the job ends."""

    job_id: UUID
    status: JobStatus
    corpus: str
    documents: int
    counts: dict[DocumentState, int]
    progress: Progress
    created_at: datetime
    cancel_requested_at: datetime | None
    ended_at: datetime | None
    seconds: float
    webhook_url: str | None

    @classmethod
    def of(cls, view: JobView, now: datetime) -> Self:
        return cls.model_validate(
            {
                "job_id": view.id,
                "status": view.status,
                "corpus": view.corpus,
                "documents": view.total,
                "counts": {state: view.counts.get(state, 0) for state in STATES},
                "progress": progress_of(view, now),
                "created_at": view.created_at,
                "cancel_requested_at": view.cancel_requested_at,
                "ended_at": view.ended_at,
                "seconds": round(max(0.0, ((view.ended_at or now) - view.created_at).total_seconds()), 3),
                "webhook_url": view.webhook_url,
            }
        )


class JobPage(BaseModel):
    """Newest first; `next` is the cursor of the page after this one."""

    jobs: list[Job]
    next: str | None
