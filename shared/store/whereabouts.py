"""Where one document is and what it waits for, and which documents a URL had: the caller's own, all of them."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.store.queries import load
from shared.store.reads import DocumentRow
from shared.store.store import Store

_SQL: Final = load("whereabouts")
# Nobody needs to know how many more there are.
COUNTED_UP_TO: Final = 1000


@dataclass(frozen=True, slots=True)
class Whereabouts(DocumentRow):
    """A document with what it depends on.

    `ahead` counts the caller's own documents that come before it, up to `COUNTED_UP_TO`: of its domain while it waits
    to be fetched. `reported`: its worker has sent a result, which is not here yet. `shown_document_id` made the version
    of its URL that search sees now.
    """

    job_id: UUID
    corpus: str
    created_at: datetime
    deaths: int
    nudges: int
    reported: bool
    domain: str
    pace_s: float
    job_status: str
    cancel_requested_at: datetime | None
    shown_document_id: UUID | None
    shown_since: datetime | None
    ahead: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A document that had the URL in question."""

    id: UUID
    job_id: UUID
    corpus: str
    state: str
    created_at: datetime


async def get_whereabouts(store: Store, caller_id: str, document_id: UUID) -> Whereabouts | None:
    row = await store.fetch_row(_SQL["document"], caller_id, document_id, COUNTED_UP_TO)
    return None if row is None else Whereabouts(**{field.name: row[field.name] for field in fields(Whereabouts)})


async def documents_of_url(
    store: Store, caller_id: str, url: str, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[Seen]:
    """The newest first. The URL must be normalised; `after` is `created_at` and `id` of the last one seen."""
    rows = await store.fetch(_SQL["of_url"], caller_id, url, *(after or (None, None)), limit)
    return [Seen(**row) for row in rows]
