"""A small world for the store's tests: jobs, workers and the events they send."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4, uuid5

from shared.contracts.envelope import to_event
from shared.contracts.jobs import JobCancelRequested, JobReplayRequested, JobSubmitted, StageName
from shared.contracts.payload import ObjectRef, Payload
from shared.contracts.stages import (
    DocumentChunked,
    DocumentEmbedded,
    DocumentScraped,
    FailedStage,
    FailureKind,
    StageFailed,
)
from shared.events.event import CloudEvent
from shared.pipeline.policy import PATIENT, Policy
from shared.store.claims import EmbedClaim, ScrapeClaim, claim_embed, claim_scrape
from shared.store.index import IndexedChunk, swap_chunks
from shared.store.outbox import mark_published
from shared.store.reads import DocumentRow, JobView, get_job, list_documents
from shared.store.store import Store
from shared.store.submit import CorpusDefaults, submit_job
from shared.store.sweep import Swept, sweep
from shared.store.transitions import apply

START = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULTS = CorpusDefaults("a-model", 3, 250, 50, domain_delay_s=0.0)
CHUNKER = "chunker-1"
LEASE_S = 60.0


def ref(content: str) -> ObjectRef:
    digest = sha256(content.encode()).hexdigest()
    return ObjectRef(key=f"corpora/x/text/{digest}", sha256=digest, size_bytes=len(content))


@dataclass
class World:
    """Time passes only when a test says so."""

    store: Store
    now: datetime = START
    policy: Policy = PATIENT
    defaults: CorpusDefaults = DEFAULTS
    sent: list[CloudEvent] = field(default_factory=list)

    def after(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def submit(
        self,
        urls: Sequence[str],
        *,
        caller: str = "alice",
        corpus: str = "books",
        job_id: UUID | None = None,
        weight: int = 1,
    ) -> UUID:
        job = job_id or uuid4()
        urls_ref = ref("urls")
        payload = JobSubmitted(
            job_id=job, caller_id=caller, corpus=corpus, urls=urls_ref, count=len(urls), weight=weight
        )
        event = self.event(payload)
        await self.send(await submit_job(self.store, event, payload, urls, self.defaults, self.now))
        return job

    async def send(self, events: Sequence[CloudEvent]) -> None:
        """What was published leaves the outbox."""
        self.sent += events
        await mark_published(self.store, [event.id for event in events], self.now)

    def event(self, payload: Payload, event_id: str | None = None) -> CloudEvent:
        return to_event(payload, source="/functions/test", cause=None, time=self.now, id=event_id)

    async def apply(self, payload: Payload, event_id: str | None = None) -> list[CloudEvent]:
        events = await apply(self.store, self.event(payload, event_id), payload, self.now, self.policy)
        await self.send(events)
        return events

    async def scrape(self, limit: int = 10, *, suspects: bool = True) -> list[ScrapeClaim]:
        return await claim_scrape(self.store, limit, LEASE_S, self.now, suspects=suspects)

    async def embed(self, limit: int = 10, budget: int = 10_000, *, suspects: bool = True) -> list[EmbedClaim]:
        return await claim_embed(self.store, limit, budget, LEASE_S, self.now, suspects=suspects)

    def scraped(self, claim: ScrapeClaim, content: str | None = "text", etag: str | None = None) -> DocumentScraped:
        return DocumentScraped(
            job_id=claim.job_id,
            document_id=claim.document_id,
            token=claim.token,
            text=None if content is None else ref(content),
            final_url=claim.fetch_url,
            title="A title",
            etag=etag,
            fetched_at=self.now,
        )

    def chunked(self, request: CloudEvent, chunker: str = CHUNKER, tokens: int = 7) -> DocumentChunked:
        data = request.data
        assert isinstance(data, dict)
        return DocumentChunked.model_validate(
            {
                **{name: data[name] for name in ("job_id", "document_id", "token")},
                "chunks": ref("chunks").model_dump(),
                "count": 2,
                "tokens": tokens,
                "chunker": chunker,
            }
        )

    def failed(
        self,
        claim: ScrapeClaim | EmbedClaim,
        kind: FailureKind = "transient",
        stage: FailedStage = "scraping",
        retry_after_s: float | None = None,
    ) -> StageFailed:
        return StageFailed(
            job_id=claim.job_id,
            document_id=claim.document_id,
            token=claim.token,
            stage=stage,
            kind=kind,
            code="went_wrong",
            message="it went wrong",
            retry_after_s=retry_after_s,
        )

    async def swap(self, claim: EmbedClaim, words: Sequence[str] = ("one", "two")) -> bool:
        vectors = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        chunks = [IndexedChunk(i, i, i + 1, 1, word, vectors[i % 3]) for i, word in enumerate(words)]
        return await swap_chunks(self.store, claim, chunks, self.now)

    def embedded(self, claim: EmbedClaim) -> DocumentEmbedded:
        return DocumentEmbedded(
            job_id=claim.job_id,
            document_id=claim.document_id,
            token=claim.token,
            chunks=claim.count,
            tokens=claim.tokens,
            model=claim.model,
            dimension=claim.dimension,
        )

    async def pass_scrape(self, content: str = "text", limit: int = 100) -> list[CloudEvent]:
        """Every ready document is fetched; the requests for chunks."""
        claims = await self.scrape(limit)
        return [event for claim in claims for event in await self.apply(self.scraped(claim, content))]

    async def pass_all(self, content: str = "text", limit: int = 100) -> None:
        """Every ready document goes all the way."""
        for request in await self.pass_scrape(content, limit):
            if request.type.startswith("dev.sluice.chunk.requested"):
                await self.apply(self.chunked(request))
        for claim in await self.embed(limit):
            assert await self.swap(claim)
            await self.apply(self.embedded(claim))

    async def cancel(self, job: UUID, caller: str = "alice", event_id: str | None = None) -> list[CloudEvent]:
        return await self.apply(JobCancelRequested(job_id=job, caller_id=caller), event_id)

    async def replay(
        self, job: UUID, from_stage: StageName | None = None, documents: tuple[UUID, ...] | None = None
    ) -> list[CloudEvent]:
        payload = JobReplayRequested(job_id=job, caller_id="alice", document_ids=documents, from_stage=from_stage)
        return await self.apply(payload)

    async def sweep(self) -> Swept:
        swept = await sweep(self.store, self.now, self.policy)
        await self.send(swept.events)
        return swept

    async def job(self, job: UUID, caller: str = "alice") -> JobView:
        view = await get_job(self.store, caller, job)
        assert view is not None
        assert sum(view.counts.values()) == view.total
        return view

    async def documents(self, job: UUID, caller: str = "alice") -> list[DocumentRow]:
        return await list_documents(self.store, caller, job, limit=10_000)

    def types(self) -> list[str]:
        """What was sent, in short: `document.indexed`."""
        return [event.type.removeprefix("dev.sluice.").removesuffix(".v1") for event in self.sent]


def document_id(job: UUID, url: str) -> UUID:
    return uuid5(job, url)
