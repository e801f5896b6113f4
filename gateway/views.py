"""What the gateway answers, as types: the public contract of jobs and documents."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel

from shared.contracts.jobs import JobStatus
from shared.store.reads import DocumentRow, JobView

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


class Accepted(BaseModel):
    """The job is stored and will be worked on."""

    job_id: UUID
    status: Literal["accepted"] = "accepted"
    documents: int
    corpus: str
    links: dict[str, str]


class Job(BaseModel):
    """`counts` are documents by state and add up to `documents`; `seconds` runs until the job ends."""

    job_id: UUID
    status: JobStatus
    corpus: str
    documents: int
    counts: dict[DocumentState, int]
    created_at: datetime
    cancel_requested_at: datetime | None
    ended_at: datetime | None
    seconds: float

    @classmethod
    def of(cls, view: JobView, now: datetime) -> Self:
        counts = {state: view.counts.get(state, 0) for state in STATES}
        return cls.model_validate(
            {
                "job_id": view.id,
                "status": view.status,
                "corpus": view.corpus,
                "documents": view.total,
                "counts": counts,
                "created_at": view.created_at,
                "cancel_requested_at": view.cancel_requested_at,
                "ended_at": view.ended_at,
                "seconds": round(max(0.0, ((view.ended_at or now) - view.created_at).total_seconds()), 3),
            }
        )


class JobPage(BaseModel):
    """Newest first; `next` is the cursor of the page after this one."""

    jobs: list[Job]
    next: str | None


class Document(BaseModel):
    """`stage` is where it failed; `waiting` why nobody works on it now, `not_before` until when."""

    document_id: UUID
    url: str
    status: DocumentState
    stage: str | None
    error_code: str | None
    error_message: str | None
    error_kind: str | None
    chunks: int | None
    tokens: int | None
    attempt: int
    waiting: str | None
    not_before: datetime | None
    updated_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: DocumentRow) -> Self:
        return cls.model_validate(
            {
                "document_id": row.id,
                "url": row.url,
                "status": row.state,
                "stage": row.error_stage,
                "error_code": row.error_code,
                "error_message": row.error_message,
                "error_kind": row.error_kind,
                "chunks": row.chunks,
                "tokens": row.tokens,
                "attempt": row.attempt,
                "waiting": row.waiting,
                "not_before": row.not_before,
                "updated_at": row.updated_at,
                "ended_at": row.ended_at,
            }
        )


class DocumentPage(BaseModel):
    """In the order of submission; `next` is the cursor of the page after this one."""

    documents: list[Document]
    next: str | None
