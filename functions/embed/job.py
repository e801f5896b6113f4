"""What a wake-up does: claims chunked documents, embeds them together, reports each as it ends."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from functions.embed.batcher import Batcher
from functions.embed.core import texts_of
from functions.embed.lane import open_batcher
from functions.embed.settings import QUEUE, TASK, JobSettings
from shared.contracts.documents import ChunkList
from shared.contracts.envelope import to_event
from shared.contracts.payload import Payload
from shared.contracts.stages import DocumentEmbedded
from shared.embeddings.answer import Model
from shared.events.ids import derived_id
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.pipeline.policy import Policy
from shared.publish.open import SinkSettings, open_sink
from shared.publish.relay import relay
from shared.publish.sink import PATIENT, OpenSink
from shared.settings import Environment
from shared.store.claims import EmbedClaim, claim_embed, release, renew
from shared.store.index import IndexedChunk, swap_chunks
from shared.store.outbox import mark_published
from shared.store.store import Store
from shared.store.sweep import sweep
from shared.store.vector_index import ensure_index
from shared.workqueue.drain import DrainReport, drain
from shared.workqueue.horse import run_wake_up
from shared.workqueue.wake import Waker

SOURCE = "/functions/embed"
SWEEP_EVERY_S = 2.0


def run(slot: int) -> None:
    """The RQ task, in a process forked for it."""
    env = Environment(os.environ)
    settings = JobSettings.read(env)
    sink_settings, signer = SinkSettings.read(env), Signer.from_secret(env.secret("event-signing-key"))
    waker = Waker(settings.wake.redis_url, QUEUE, TASK, slots=settings.wake.slots)

    async def work(stop: asyncio.Event, saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        async with open_desk(settings, open_sink(sink_settings, signer, PATIENT)) as desk:
            report = await desk.drain(stop, saturated)
            await desk.index(stop)
            return report

    run_wake_up(waker, slot, work)


@asynccontextmanager
async def open_desk(settings: JobSettings, sink: OpenSink) -> AsyncIterator["Desk"]:
    """Owns the sink from here on."""
    objects = ObjectStore.open(settings.object_store_url, os.environ)
    try:
        async with (
            await Store.open(settings.database_url) as store,
            open_batcher(settings.batches) as batcher,
        ):
            yield Desk(settings, store, objects, sink, batcher)
    finally:
        await sink.close()


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything one wake-up works with. `corpora` are those it wrote to."""

    settings: JobSettings
    store: Store
    objects: ObjectStore
    sink: OpenSink
    batcher: Batcher
    corpora: set[UUID] = field(default_factory=set)

    async def drain(self, stop: asyncio.Event, saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        settings = self.settings
        return await drain(
            stage="embedding",
            claim=self._claim,
            work=self._embed,
            publish=self._publish,
            renew=lambda claims: renew(self.store, claims, settings.lease_s, now()),
            release=lambda claims, wait_s: release(self.store, claims, now(), not_before=_later(wait_s)),
            concurrency=settings.documents,
            lease_s=settings.lease_s,
            stop=stop,
            budget_s=settings.budget_s,
            linger_s=settings.linger_s,
            saturated=saturated,
            sweep=self.sweep,
        )

    async def index(self, stop: asyncio.Event) -> None:
        """Builds the vector indexes that became worth it."""
        for corpus in self.corpora:
            if not stop.is_set():
                await ensure_index(self.store, corpus, now(), self.settings.index_threshold)

    async def sweep(self) -> None:
        """Sets going what is overdue, for whoever it belongs to."""
        policy = Policy(max_attempts=self.settings.max_attempts)
        swept = await sweep(self.store, now(), policy, every_s=SWEEP_EVERY_S)
        await relay(swept.events, self.sink, lambda ids: mark_published(self.store, ids, now()))

    async def _claim(self, limit: int) -> list[EmbedClaim]:
        nothing_in_hand = limit == self.settings.documents
        settings = self.settings
        return await claim_embed(
            self.store, limit, settings.claim_tokens, settings.lease_s, now(), suspects=nothing_in_hand
        )

    async def _embed(self, claim: EmbedClaim) -> Payload | None:
        """None when the claim was lost meanwhile: its new holder reports."""
        text, chunks = await asyncio.gather(self.objects.get(claim.text), self.objects.get(claim.chunks))
        slices = texts_of(text.decode(), ChunkList.model_validate_json(chunks))
        vectors = await self.batcher.embed(
            [(piece, span.tokens) for piece, span in slices], Model(claim.model, claim.dimension)
        )
        indexed = [
            IndexedChunk(n, span.start, span.end, span.tokens, piece, vector)
            for n, ((piece, span), vector) in enumerate(zip(slices, vectors, strict=True))
        ]
        if not await swap_chunks(self.store, claim, indexed, now()):
            return None
        self.corpora.add(claim.corpus_id)
        return DocumentEmbedded(
            job_id=claim.job_id,
            document_id=claim.document_id,
            token=claim.token,
            chunks=len(indexed),
            tokens=sum(chunk.tokens for chunk in indexed),
            model=claim.model,
            dimension=claim.dimension,
        )

    async def _publish(self, payload: Payload, claim: EmbedClaim) -> None:
        """The same claim's result has the same id, however often it is sent."""
        event_id = derived_id(str(claim.document_id), SOURCE, payload.event_type, str(claim.token))
        await self.sink.publish(
            to_event(payload, source=SOURCE, cause=None, time=now(), id=event_id, traceparent=claim.traceparent)
        )


def _later(wait_s: float | None) -> datetime | None:
    return None if wait_s is None else now() + timedelta(seconds=wait_s)
