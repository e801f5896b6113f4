"""The documents of a job: where each stands, why it waits, and everything that went wrong with it."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from gateway import cursors
from gateway.jobs import own_job
from gateway.parameters import Cursor, Limit
from gateway.resources import Caller, Opened
from gateway.views import DocumentState
from shared.errors import NotFound
from shared.store import reads
from shared.store.reads import DocumentRow, FailureRow

ErrorCodeFilter = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="only with this error")]


class Document(BaseModel):
    """`stage` is where it failed; `waiting` why nobody works on it now, `next_try_at` until when, if that is known.

    A sitemap is a document too, until it is replaced by what it lists.
    """

    document_id: UUID
    url: str
    sitemap: bool
    status: DocumentState
    stage: str | None
    error_code: str | None
    error_message: str | None
    error_kind: str | None
    chunks: int | None
    tokens: int | None
    token: int
    attempt: int
    waiting: str | None
    next_try_at: datetime | None
    not_before: datetime
    updated_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: DocumentRow, now: datetime, **more: object) -> Self:
        wait = row.wait(now)
        return cls.model_validate(
            {
                "document_id": row.id,
                "url": row.url,
                "sitemap": row.is_sitemap,
                "status": row.state,
                "stage": row.error_stage,
                "error_code": row.error_code,
                "error_message": row.error_message,
                "error_kind": row.error_kind,
                "chunks": row.chunks,
                "tokens": row.tokens,
                "token": row.token,
                "attempt": row.attempt,
                "waiting": wait.reason if wait else None,
                "next_try_at": wait.until if wait else None,
                "not_before": row.not_before,
                "updated_at": row.updated_at,
                "ended_at": row.ended_at,
                **more,
            }
        )


class DocumentPage(BaseModel):
    """In the order of submission; `next` is the cursor of the page after this one."""

    documents: list[Document]
    next: str | None


class Failure(BaseModel):
    """One failed try."""

    attempt: int
    stage: str
    kind: str
    code: str
    message: str
    failed_at: datetime

    @classmethod
    def of(cls, row: FailureRow) -> Self:
        return cls(
            attempt=row.attempt,
            stage=row.stage,
            kind=row.kind,
            code=row.code,
            message=row.message,
            failed_at=row.failed_at,
        )


class DocumentDetail(Document):
    """`failures` are all failed tries, oldest first, through retries and replays."""

    failures: list[Failure]


async def documents(
    job_id: UUID,
    caller: Caller,
    resources: Opened,
    status: DocumentState | None = None,
    error_code: ErrorCodeFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DocumentPage:
    """The documents of a job, in the order of submission."""
    after = -1 if cursor is None else cursors.decode(cursor, ordinal)
    await own_job(resources, caller.caller_id, job_id)
    found = await reads.list_documents(
        resources.store, caller.caller_id, job_id, state=status, error_code=error_code, limit=limit + 1, after=after
    )
    page, now = found[:limit], resources.store.clock.now()
    more = cursors.encode(str(page[-1].ordinal)) if len(found) > limit else None
    return DocumentPage(documents=[Document.of(row, now) for row in page], next=more)


async def document(job_id: UUID, document_id: UUID, caller: Caller, resources: Opened) -> DocumentDetail:
    """One document, with every failed try of it."""
    await own_job(resources, caller.caller_id, job_id)
    row = await reads.get_document(resources.store, caller.caller_id, job_id, document_id)
    if row is None:
        raise NotFound("document_not_found", "there is no such document in this job")
    failures = await reads.list_failures(resources.store, caller.caller_id, document_id)
    return DocumentDetail.of(row, resources.store.clock.now(), failures=[Failure.of(one) for one in failures])


def ordinal(text: str) -> int:
    """Of the document that a cursor speaks of. Raises `ValueError`."""
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError(text)
    return number
