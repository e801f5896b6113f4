"""Takes a job in: its corpus, documents, domains and counts, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4, uuid5

from shared.contracts.jobs import JobSubmitted
from shared.contracts.stages import ScrapeRequested
from shared.events.event import CloudEvent
from shared.pipeline.domain import domain_of
from shared.store.jobs import received
from shared.store.outbox import note_hints
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
    """The events to send on; none for a job that is already known."""
    distinct = list(dict.fromkeys(urls))
    async with store.transaction() as connection:
        if not await received(connection, event, now):
            return []
        corpus_id = await _corpus(connection, payload, defaults, now)
        trace = event.extensions.get("traceparent")
        job = (payload.job_id, payload.caller_id, corpus_id, len(distinct), trace, now)
        if not await connection.fetchval(_SQL["accept"], *job):
            return []
        await _documents(connection, payload, corpus_id, distinct, defaults.domain_delay_s, now)
        return await note_hints(connection, [ScrapeRequested(reason="submitted")], event, now)


async def _corpus(connection: "Connection", payload: JobSubmitted, defaults: CorpusDefaults, now: datetime) -> UUID:
    recipe = (defaults.model, defaults.dimension, defaults.chunk_max_tokens, defaults.chunk_overlap_tokens)
    while True:
        corpus_id = await connection.fetchval(_SQL["corpus"], uuid4(), payload.caller_id, payload.corpus, *recipe, now)
        # Null: somebody else made it while this statement ran, and the next one sees it.
        if isinstance(corpus_id, UUID):
            return corpus_id


async def _documents(
    connection: "Connection",
    payload: JobSubmitted,
    corpus_id: UUID,
    urls: list[str],
    delay_s: float,
    now: datetime,
) -> None:
    domains = [domain_of(url) for url in urls]
    await connection.execute(_SQL["meet_domains"], sorted(set(domains)), delay_s)
    ids = [uuid5(payload.job_id, url) for url in urls]
    await connection.execute(
        _SQL["add_documents"], payload.job_id, corpus_id, payload.caller_id, ids, urls, domains, now
    )
