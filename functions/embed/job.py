"""What a wake-up does: claims chunked documents, embeds them together, reports each as it ends."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from functions.embed.batcher import Batcher
from functions.embed.core import texts_of
from functions.embed.lane import open_batcher
from functions.embed.settings import JobSettings
from shared.contracts.costs import StageReport
from shared.contracts.documents import ChunkList
from shared.contracts.stages import DocumentEmbedded
from shared.embeddings.answer import Model
from shared.embeddings.measures import FILLING
from shared.publish.sink import OpenSink
from shared.runtime.worker_desk import Saturated, WorkerDesk, open_worker_desk, outages_are_ours, run_stage
from shared.settings import Environment
from shared.store.claims import EmbedClaim, claim_embed
from shared.store.index import IndexedChunk, swap_chunks
from shared.store.vector_index import ensure_index
from shared.workqueue.drain import DrainReport

SOURCE = "/functions/embed"


def run(slot: int) -> None:
    """The RQ task, in a process forked for it."""
    env = Environment(os.environ)
    settings = JobSettings.read(env)

    async def work(sink: OpenSink, stop: asyncio.Event, saturated: Saturated) -> DrainReport:
        async with open_desk(settings, sink) as desk:
            report = await desk.drain(stop, saturated)
            await desk.index(stop)
            return report

    run_stage(env, settings.wake, slot, work)


@asynccontextmanager
async def open_desk(settings: JobSettings, sink: OpenSink) -> AsyncIterator["Desk"]:
    """Owns the sink from here on."""
    async with (
        open_worker_desk("embedding", SOURCE, settings.drain, sink) as worker,
        open_batcher(settings.batches, FILLING) as batcher,
    ):
        yield Desk(settings, worker, batcher)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything one wake-up works with. `corpora` are those it wrote to."""

    settings: JobSettings
    worker: WorkerDesk
    batcher: Batcher
    corpora: set[UUID] = field(default_factory=set)

    async def drain(self, stop: asyncio.Event, saturated: Saturated) -> DrainReport:
        return await self.worker.drain(self._claim, self._embed, self.settings.documents, stop, saturated)

    async def index(self, stop: asyncio.Event) -> None:
        """Builds the vector indexes that became worth it."""
        for corpus in self.corpora:
            if not stop.is_set():
                await ensure_index(self.worker.store, corpus, self.worker.now(), self.settings.index_threshold)

    async def _claim(self, limit: int) -> list[EmbedClaim]:
        settings = self.settings
        nothing_in_hand = limit == settings.documents
        lease_s = settings.drain.lease_s
        return await claim_embed(
            self.worker.store, limit, settings.claim_tokens, lease_s, self.worker.now(), suspects=nothing_in_hand
        )

    async def _embed(self, claim: EmbedClaim) -> StageReport | None:
        """None when the claim was lost meanwhile: its new holder reports."""
        objects = self.worker.objects
        with outages_are_ours():
            text, chunks = await asyncio.gather(objects.get(claim.text), objects.get(claim.chunks))
        slices = texts_of(text.decode(), ChunkList.model_validate_json(chunks))
        vectors = await self.batcher.embed(
            [(piece, span.tokens) for piece, span in slices], Model(claim.model, claim.dimension)
        )
        indexed = [
            IndexedChunk(n, span.start, span.end, span.tokens, piece, vector)
            for n, ((piece, span), vector) in enumerate(zip(slices, vectors, strict=True))
        ]
        with outages_are_ours():
            if not await swap_chunks(self.worker.store, claim, indexed, self.worker.now()):
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
