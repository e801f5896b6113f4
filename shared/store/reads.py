"""What the gateway shows. Every read is of one caller's own things."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from shared.store.queries import load
from shared.store.store import Row, Store

_SQL: Final = load("reads")


@dataclass(frozen=True, slots=True)
class JobView:
    """`counts` are documents by state, from one snapshot: they add up to `total`. Absent states are zero."""

    id: UUID
    corpus: str
    status: str
    total: int
    counts: Mapping[str, int]
    created_at: datetime
    cancel_requested_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """`waiting` says why nobody works on it now: queued | domain | backoff | chunking; None when in hand or ended."""

    id: UUID
    ordinal: int
    url: str
    state: str
    attempt: int
    error_stage: str | None
    error_kind: str | None
    error_code: str | None
    error_message: str | None
    chunks: int | None
    tokens: int | None
    waiting: str | None
    not_before: datetime | None
    updated_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One failed try."""

    token: int
    attempt: int
    stage: str
    kind: str
    code: str
    message: str
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class CorpusView:
    id: UUID
    name: str
    model: str
    dimension: int
    pages: int
    chunks: int
    tokens: int
    created_at: datetime


async def get_job(store: Store, caller_id: str, job_id: UUID) -> JobView | None:
    row = await store.fetch_row(_SQL["job"], caller_id, job_id)
    return _job(row) if row else None


async def list_jobs(
    store: Store, caller_id: str, *, status: str | None = None, limit: int = 50, before: datetime | None = None
) -> list[JobView]:
    """Newest first. `before` is the `created_at` of the last one seen."""
    return [_job(row) for row in await store.fetch(_SQL["jobs"], caller_id, status, before, limit)]


async def list_documents(
    store: Store,
    caller_id: str,
    job_id: UUID,
    *,
    now: datetime,
    state: str | None = None,
    limit: int = 100,
    after: int = -1,
) -> list[DocumentRow]:
    """In the order of submission. `after` is the `ordinal` of the last one seen."""
    rows = await store.fetch(_SQL["documents"], caller_id, job_id, now, after, state, limit)
    return [DocumentRow(**row) for row in rows]


async def list_failures(store: Store, caller_id: str, document_id: UUID) -> list[FailureRow]:
    """Every failed try of a document, oldest first, through retries and replays."""
    return [FailureRow(**row) for row in await store.fetch(_SQL["failures"], caller_id, document_id)]


async def list_corpora(store: Store, caller_id: str) -> list[CorpusView]:
    return [CorpusView(**row) for row in await store.fetch(_SQL["corpora"], caller_id, None)]


async def get_corpus(store: Store, caller_id: str, name: str) -> CorpusView | None:
    row = await store.fetch_row(_SQL["corpora"], caller_id, name)
    return CorpusView(**row) if row else None


async def ready_depth(store: Store, stage: Literal["scrape", "embed"]) -> int:
    """Documents that wait for the stage's workers, retries that are not due included."""
    row = await store.fetch_row(_SQL[f"ready_to_{stage}"])
    return int(row[0]) if row else 0


def _job(row: "Row") -> JobView:
    return JobView(**dict(row) | {"counts": json.loads(row["counts"] or "{}")})
