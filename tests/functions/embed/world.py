"""Documents that wait to be embedded, brought there by the real store and the real contracts."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from functions.embed.job import Desk, open_desk
from functions.embed.settings import JobSettings
from shared.contracts.documents import ChunkList, ChunkSpan
from shared.contracts.envelope import to_event
from shared.contracts.jobs import JobSubmitted
from shared.contracts.payload import ObjectRef, Payload
from shared.contracts.stages import DocumentChunked, DocumentScraped
from shared.events.event import CloudEvent
from shared.objects import ObjectStore
from shared.publish.sink import OpenSink
from shared.settings import Environment
from shared.store.claims import claim_scrape
from shared.store.store import Store
from shared.store.submit import CorpusDefaults, submit_job
from shared.store.transitions import apply

MODEL = "all-MiniLM-L6-v2"
DIMENSION = 8
CHUNK_CHARS = 10


def now() -> datetime:
    return datetime.now(UTC)


def variables(database: str, folder: Path, endpoint: str, **more: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "OBJECT_STORE_URL": f"file://{folder}/objects",
        "EMBEDDING_API_BASE_URL": endpoint,
        "LINGER_SECONDS": "0.05",
        "EMBED_RETRY_SECONDS": "0.01",
        "SECRETS_DIR": str(folder / "secrets"),
    } | more


@asynccontextmanager
async def desk(env: dict[str, str], sink: OpenSink) -> AsyncIterator[Desk]:
    async with open_desk(JobSettings.read(Environment(env)), sink) as opened:
        yield opened


async def add_chunked(
    store: Store, objects: ObjectStore, texts: Sequence[str], *, caller: str = "alice", corpus: str = "default"
) -> list[UUID]:
    """A job of one document a text, all of them scraped and chunked. Answers the document ids in order."""
    urls = [f"https://site.example/{uuid4().hex}" for _ in texts]
    await _submit(store, urls, caller, corpus)
    claims = {claim.url: claim for claim in await claim_scrape(store, len(urls), 60, now())}
    for url, text in zip(urls, texts, strict=True):
        claim = claims[url]
        ids = {"job_id": claim.job_id, "document_id": claim.document_id}
        content = text.encode()
        ref = await objects.put(claim.corpus_id, "text", content)
        scraped = DocumentScraped(
            **ids, token=claim.token, text=ref, final_url=url, title="T", language="en", fetched_at=now()
        )
        [asked] = await _apply(store, scraped)
        chunks = spans(text)
        stored = await objects.put(claim.corpus_id, "chunks", chunks.model_dump_json().encode())
        token = int(asked.extensions["token"])
        tokens = sum(span.tokens for span in chunks.spans)
        chunked = DocumentChunked(
            **ids, token=token, chunks=stored, count=len(chunks.spans), tokens=tokens, chunker=chunks.chunker
        )
        await _apply(store, chunked)
    return [claims[url].document_id for url in urls]


def spans(text: str) -> ChunkList:
    starts = range(0, len(text), CHUNK_CHARS)
    return ChunkList(
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        chunker="ten",
        spans=tuple(ChunkSpan(start=n, end=min(n + CHUNK_CHARS, len(text)), tokens=5) for n in starts),
    )


def slices(text: str) -> list[str]:
    return [text[span.start : span.end] for span in spans(text).spans]


async def _submit(store: Store, urls: Sequence[str], caller: str, corpus: str) -> None:
    ref = ObjectRef(key="corpora/x/urls/" + "0" * 64, sha256="0" * 64, size_bytes=1)
    payload = JobSubmitted(job_id=uuid4(), caller_id=caller, corpus=corpus, urls=ref, count=len(urls))
    event = to_event(payload, source="/gateway", cause=None, time=now())
    await submit_job(store, event, payload, urls, CorpusDefaults(MODEL, DIMENSION, 250, 25, 0.0), now())


async def _apply(store: Store, payload: Payload) -> list[CloudEvent]:
    event = to_event(payload, source="/functions/test", cause=None, time=now())
    return await apply(store, event, payload, now())
