"""What the gateway shows. Every read is of one caller's own things."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar
from uuid import UUID

from shared.store.queries import load
from shared.store.store import Row, Store

T = TypeVar("T")

_SQL: Final = load("reads")
_COUNTED_UP_TO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class JobView:
    """`counts` are documents by state, from one snapshot: they add up to `total`. Absent states are zero.

    What has ended since `rated_from`, beyond `rated_base`, tells how fast the job is.
    """

    id: UUID
    corpus: str
    status: str
    total: int
    counts: Mapping[str, int]
    created_at: datetime
    cancel_requested_at: datetime | None
    ended_at: datetime | None
    rated_from: datetime
    rated_base: int
    from_sitemap: bool
    webhook_url: str | None
    request_sha256: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Why nobody works on a document now, and when that ends, where anybody knows."""

    reason: Literal["chunking", "backoff", "domain", "domain_slowed", "crawl_delay", "queued"]
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """Somebody works on it while `lease_until` is set; its domain, for a reason, is closed until `domain_next_at`."""

    id: UUID
    ordinal: int
    url: str
    is_sitemap: bool
    state: str
    token: int
    attempt: int
    error_stage: str | None
    error_kind: str | None
    error_code: str | None
    error_message: str | None
    chunks: int | None
    tokens: int | None
    not_before: datetime
    lease_until: datetime | None
    domain_next_at: datetime | None
    domain_reason: Literal["domain", "domain_slowed", "crawl_delay"]
    updated_at: datetime
    ended_at: datetime | None

    def wait(self, now: datetime) -> Wait | None:
        """None when it is in somebody's hands, or has ended."""
        if self.ended_at is not None or self.lease_until is not None:
            return None
        if self.state == "chunking":
            return Wait("chunking")
        if self.not_before > now:
            return Wait("backoff", self.not_before)
        # A domain nobody has asked yet has '-infinity', which comes without a zone; all else comes in UTC.
        opens = self.domain_next_at and self.domain_next_at.replace(tzinfo=UTC)
        if self.state == "pending" and opens is not None and opens > now:
            return Wait(self.domain_reason, opens)
        return Wait("queued")


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
class Corpus:
    """`pages`, `chunks` and `tokens` are what search sees. `vector_index`: none, building or ready.

    Whoever it is granted to names it by `corpus_id`.
    """

    corpus_id: UUID
    name: str
    model: str
    dimension: int
    chunk_max_tokens: int
    chunk_overlap_tokens: int
    vector_index: str
    pages: int
    chunks: int
    tokens: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobFilter:
    """All given conditions hold."""

    status: str | None = None
    corpus: str | None = None
    since: datetime | None = None
    before: datetime | None = None


async def get_job(store: Store, caller_id: str, job_id: UUID) -> JobView | None:
    row = await store.fetch_row(_SQL["job"], caller_id, job_id)
    return _job(row) if row else None


async def list_jobs(
    store: Store,
    caller_id: str,
    wanted: JobFilter = JobFilter(),
    *,
    limit: int = 50,
    after: tuple[datetime, UUID] | None = None,
) -> list[JobView]:
    """Newest first. `after` is `created_at` and `id` of the last one seen."""
    seen = after or (None, None)
    window = (caller_id, wanted.since, wanted.before, *seen, limit)
    if wanted.corpus is not None and wanted.status is not None:
        rows = await store.fetch(_SQL["jobs_of_corpus_in_state"], *window, wanted.corpus, wanted.status)
    elif wanted.corpus is not None:
        rows = await store.fetch(_SQL["jobs_of_corpus"], *window, wanted.corpus)
    elif wanted.status is not None:
        rows = await store.fetch(_SQL["jobs_in_state"], *window, wanted.status)
    else:
        rows = await store.fetch(_SQL["jobs"], *window)
    return [_job(row) for row in rows]


async def list_documents(
    store: Store,
    caller_id: str,
    job_id: UUID,
    *,
    state: str | None = None,
    error_code: str | None = None,
    limit: int = 100,
    after: int = -1,
) -> list[DocumentRow]:
    """In the order of submission. `after` is the `ordinal` of the last one seen."""
    window = (caller_id, job_id, after, limit, error_code)
    if state is None:
        rows = await store.fetch(_SQL["documents"], *window)
    else:
        rows = await store.fetch(_SQL["documents_in_state"], *window, state)
    return [_of(DocumentRow, row) for row in rows]


async def get_document(store: Store, caller_id: str, job_id: UUID, document_id: UUID) -> DocumentRow | None:
    row = await store.fetch_row(_SQL["document"], caller_id, job_id, document_id)
    return _of(DocumentRow, row) if row else None


async def list_failures(store: Store, caller_id: str, document_id: UUID) -> list[FailureRow]:
    """Every failed try of a document, oldest first, through retries and replays."""
    return [FailureRow(**row) for row in await store.fetch(_SQL["failures"], caller_id, document_id)]


async def list_corpora(store: Store, caller_id: str, *, limit: int = 100, after: str = "") -> list[Corpus]:
    """By name. `after` is the name of the last one seen."""
    return [_of(Corpus, row) for row in await store.fetch(_SQL["corpora"], caller_id, after, limit)]


async def get_corpus(store: Store, caller_id: str, name: str) -> Corpus | None:
    row = await store.fetch_row(_SQL["corpus"], caller_id, name)
    return _of(Corpus, row) if row else None


async def reach_corpus(
    store: Store, caller_id: str, name: str, needed: Literal["read", "write"] = "read"
) -> Corpus | None:
    """The caller's own, by name; or by id, one that was granted to it."""
    row = await store.fetch_row(_SQL["reachable"], caller_id, name, needed)
    return _of(Corpus, row) if row else None


async def ready_depth(store: Store, stage: Literal["scrape", "embed"], up_to: int = _COUNTED_UP_TO) -> int:
    """Documents that wait for the stage's workers, retries that are not due included; counting ends at `up_to`."""
    row = await store.fetch_row(_SQL[f"ready_to_{stage}"], up_to)
    return int(row[0]) if row else 0


def _job(row: "Row") -> JobView:
    view = dict(row) | {"counts": json.loads(row["counts"] or "{}")}
    return JobView(**{field.name: view[field.name] for field in fields(JobView)})


def _of(kind: type[T], row: "Row") -> T:
    return kind(**{field.name: row[field.name] for field in fields(kind)})  # type: ignore[arg-type]
