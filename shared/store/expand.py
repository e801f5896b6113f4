"""A sitemap that was read gives way to the pages and sitemaps that it lists, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared.contracts.documents import SitemapContent
from shared.contracts.stages import ScrapeRequested, SitemapRead, StageFailed
from shared.events.event import CloudEvent
from shared.pipeline.costs import cost_of
from shared.pipeline.domain import domain_of
from shared.pipeline.policy import PATIENT, Policy
from shared.store import traces
from shared.store.costs import add_cost
from shared.store.jobs import end_job, received
from shared.store.outbox import note_hints
from shared.store.queries import load
from shared.store.store import Row, Store
from shared.store.submit import document_id
from shared.store.transitions import apply

if TYPE_CHECKING:
    from shared.store.store import Connection

_SQL: Final = load("expand")
MAX_SITEMAPS: Final = 500
# An index of indexes of sitemaps, and no further.
MAX_DEPTH: Final = 2


async def expand(
    store: Store,
    event: CloudEvent,
    payload: SitemapRead,
    content: SitemapContent,
    delay_s: float,
    now: datetime,
    policy: Policy = PATIENT,
) -> list[CloudEvent]:
    """The events to send on; none for a duplicate, or when the claim is no longer its sender's.

    A sitemap of which nothing came, in a job that has nothing else, fails: such a job would end as if all were well.
    """
    try:
        events = await _expand(store, event, payload, content, delay_s, now)
    except _NothingListedError:
        return await apply(store, event, _empty(payload), now, policy)
    return events + await end_job(store, payload.job_id, event, now)


class _NothingListedError(Exception):
    """Rolls back."""


async def _expand(
    store: Store, event: CloudEvent, payload: SitemapRead, content: SitemapContent, delay_s: float, now: datetime
) -> list[CloudEvent]:
    async with store.transaction() as connection:
        if not await received(connection, event, now):
            return []
        row = await connection.fetchrow(_SQL["take"], payload.document_id, payload.job_id, payload.token)
        if row is None:
            return []
        standing = await connection.fetchrow(_SQL["standing"], payload.job_id)
        assert standing is not None
        adding = _Adding(connection, payload.job_id, row, delay_s, now)
        room = max(0, row["page_limit"] - standing["pages"])
        pages = await adding.add(content.pages, None, standing["last"], room)
        full = pages == room
        depth = row["depth"] + 1
        most = 0 if full or depth > MAX_DEPTH else max(0, MAX_SITEMAPS - row["sitemaps"])
        sitemaps = await adding.add(_unread(content, payload, row["read"]), depth, standing["last"] + pages, most)
        if not pages and not sitemaps and standing["documents"] == 1:
            raise _NothingListedError
        where = (payload.document_id, payload.job_id, row["corpus_id"], row["caller_id"])
        await add_cost(connection, *where, cost_of(payload), now)
        read = await connection.fetch(_SQL["give_way"], payload.document_id)
        dropped = await connection.fetch(_SQL["drop_waiting"], payload.job_id) if full else []
        waiting = pages + sitemaps - len(dropped)
        seen = row["sitemaps"] + sitemaps
        counts = (waiting, waiting - 1, seen, str(payload.document_id))
        await connection.execute(_SQL["count"], payload.job_id, *counts)
        hints = await note_hints(connection, [ScrapeRequested(reason="more")], event, now) if waiting > 0 else []
    traces.gave_way([*read, *dropped], now)
    return hints


def _unread(content: SitemapContent, payload: SitemapRead, read: Sequence[str]) -> list[str]:
    """Sitemaps may list one another. One that was read is gone, and must not come back under its old id."""
    known = {*read, str(payload.document_id)}
    return [url for url in content.sitemaps if str(document_id(payload.job_id, url)) not in known]


@dataclass(frozen=True, slots=True)
class _Adding:
    """Adds documents to a job."""

    connection: "Connection"
    job_id: UUID
    job: Row
    delay_s: float
    now: datetime

    async def add(self, urls: Sequence[str], depth: int | None, last: int, most: int) -> int:
        """How many were new; no more than `most`."""
        if not urls or not most:
            return 0
        domains = [domain_of(url) for url in urls]
        await self.connection.execute(load("jobs")["meet_domains"], sorted(set(domains)), self.delay_s)
        ids = [document_id(self.job_id, url) for url in urls]
        where = (self.job_id, self.job["corpus_id"], self.job["caller_id"])
        added = await self.connection.fetch(_SQL["add"], *where, ids, list(urls), domains, self.now, depth, last, most)
        return len(added)


def _empty(payload: SitemapRead) -> StageFailed:
    return StageFailed(
        job_id=payload.job_id,
        document_id=payload.document_id,
        token=payload.token,
        stage="scraping",
        kind="permanent",
        code="sitemap_empty",
        message="the sitemap lists no page that the job wants",
        spent=payload.spent,
    )
