"""Takes a job in: its corpus, documents, domains and counts, in one transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4, uuid5

from shared.contracts.jobs import JobSubmitted, is_corpus_id
from shared.contracts.payload import ObjectRef
from shared.contracts.stages import ChunkRequested, ScrapeRequested
from shared.errors import NotFound
from shared.events.event import CloudEvent
from shared.pipeline.domain import domain_of
from shared.pipeline.policy import PATIENT, Policy
from shared.store.jobs import received
from shared.store.outbox import note_hints
from shared.store.outgoing import emitted
from shared.store.queries import load
from shared.store.store import Store

if TYPE_CHECKING:
    from shared.store.store import Connection

_SQL: Final = load("jobs")


@dataclass(frozen=True, slots=True)
class CorpusDefaults:
    """What a corpus gets when its first job arrives, and the pace of a domain."""

    model: str
    dimension: int
    chunk_max_tokens: int
    chunk_overlap_tokens: int
    domain_delay_s: float


async def submit_job(
    store: Store,
    event: CloudEvent,
    payload: JobSubmitted,
    urls: Sequence[str],
    defaults: CorpusDefaults,
    now: datetime,
) -> list[CloudEvent]:
    """URLs of pages or of sitemaps. The events to send on; none for a job that is already known."""
    distinct = list(dict.fromkeys(urls))
    await store.fetch(_SQL["weigh"], payload.caller_id, payload.weight)
    async with store.transaction() as connection:
        corpus_id = await _accept(connection, event, payload, len(distinct), defaults, now)
        if corpus_id is None:
            return []
        depth = None if payload.sitemap is None else 0
        domains = [domain_of(url) for url in distinct]
        await connection.execute(_SQL["meet_domains"], sorted(set(domains)), defaults.domain_delay_s)
        ids = [document_id(payload.job_id, url) for url in distinct]
        where = (payload.job_id, corpus_id, payload.caller_id)
        await connection.execute(_SQL["add_documents"], *where, ids, distinct, domains, now, depth)
        return await note_hints(connection, [ScrapeRequested(reason="submitted")], event, now)


async def submit_text(
    store: Store,
    event: CloudEvent,
    payload: JobSubmitted,
    url: str,
    text: ObjectRef,
    defaults: CorpusDefaults,
    now: datetime,
    policy: Policy = PATIENT,
) -> list[CloudEvent]:
    """A page whose text the caller brought, stored among its corpus's objects: nothing of it is fetched."""
    again_at = now + timedelta(seconds=policy.nudge_wait_s(0))
    page = document_id(payload.job_id, url)
    known = {"final_url": url, "title": payload.title, "content_type": "text/plain", "fetched_at": now.isoformat()}
    await store.fetch(_SQL["weigh"], payload.caller_id, payload.weight)
    async with store.transaction() as connection:
        corpus_id = await _accept(connection, event, payload, 1, defaults, now)
        if corpus_id is None:
            return []
        where = (page, payload.job_id, corpus_id, payload.caller_id, url, domain_of(url))
        stored = (text.key, text.sha256, text.size_bytes, json.dumps(known))
        await connection.execute(_SQL["meet_domains"], [domain_of(url)], defaults.domain_delay_s)
        await connection.execute(_SQL["add_text"], *where, now, again_at, *stored)
        sizes = await connection.fetchrow(_SQL["chunk_sizes"], corpus_id)
    assert sizes is not None
    asked = ChunkRequested(
        job_id=payload.job_id, document_id=page, token=1, corpus_id=corpus_id, text=text, **dict(sizes)
    )
    return [emitted(asked, event, now)]


async def ensure_corpus(store: Store, caller_id: str, name: str, defaults: CorpusDefaults, now: datetime) -> UUID:
    """The caller's corpus of that name, made when it is new."""
    async with store.transaction() as connection:
        return await _corpus(connection, caller_id, name, defaults, now)


def document_id(job_id: UUID, url: str) -> UUID:
    """The same URL in the same job is the same document."""
    return uuid5(job_id, url)


async def _accept(
    connection: "Connection",
    event: CloudEvent,
    payload: JobSubmitted,
    total: int,
    defaults: CorpusDefaults,
    now: datetime,
) -> UUID | None:
    """The corpus of the new job; None when the event or the job was known."""
    if not await received(connection, event, now):
        return None
    corpus_id = await _corpus(connection, payload.caller_id, payload.corpus, defaults, now)
    trace = event.extensions.get("traceparent")
    sitemap = payload.sitemap.model_dump_json() if payload.sitemap else None
    webhook = payload.webhook.model_dump_json() if payload.webhook else None
    job = (payload.job_id, payload.caller_id, corpus_id, total, trace, now)
    asked = (payload.request_sha256, payload.announced, sitemap, webhook)
    return corpus_id if await connection.fetchval(_SQL["accept"], *job, *asked) else None


async def _corpus(connection: "Connection", caller_id: str, name: str, defaults: CorpusDefaults, now: datetime) -> UUID:
    recipe = (defaults.model, defaults.dimension, defaults.chunk_max_tokens, defaults.chunk_overlap_tokens)
    if is_corpus_id(name):
        granted = await connection.fetchval(_SQL["corpus_by_id"], caller_id, name)
        if isinstance(granted, UUID):
            return granted
        raise NotFound("corpus_not_found", "there is no corpus with this id that you may write into", field="corpus")
    while True:
        corpus_id = await connection.fetchval(_SQL["corpus"], uuid4(), caller_id, name, *recipe, now)
        # Null: somebody else made it while this statement ran, and the next one sees it.
        if isinstance(corpus_id, UUID):
            return corpus_id
