"""Removes stored objects that nothing refers to any more, a few at a time."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.objects import ObjectStore
from shared.store.removals import held, mark_unreferenced, unmark
from shared.store.store import Store

BATCH = 100
# Lists of URLs are read once, when their job begins: age alone decides about them.
URLS = "urls"
MADE_BY_STAGES = ("text", "chunks")


@dataclass(frozen=True)
class Tidier:
    """`keep` is longer than a result may be on its way between being stored and being referred to."""

    store: Store
    objects: ObjectStore
    keep: timedelta
    longest_s: float = 5.0

    async def tidy(self, now: datetime) -> None:
        """Goes through the corpora in any order until its time is over; another run meets the others.

        Being cut off is as good as a crash: what was marked is looked at again.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self.longest_s):
                corpora = await self.objects.corpora()
                for corpus_id in random.sample(corpora, len(corpora)):
                    await self._corpus(corpus_id, now)

    async def _corpus(self, corpus_id: UUID, now: datetime) -> None:
        before = now - self.keep
        async for batch in batches(self.objects.older(f"corpora/{corpus_id}/{URLS}/", before)):
            await self.objects.delete(batch)
        for kind in MADE_BY_STAGES:
            async for batch in batches(self.objects.older(f"corpora/{corpus_id}/{kind}/", before)):
                await self._remove_unreferenced(corpus_id, batch, now)

    async def _remove_unreferenced(self, corpus_id: UUID, keys: list[str], now: datetime) -> None:
        marked = await mark_unreferenced(self.store, corpus_id, keys, now)
        async with held(self.store, corpus_id, marked) as ours:
            old = [key for key in ours if await self._is_old(key, now)]
            await self.objects.delete(old)
        await unmark(self.store, list(set(marked).difference(old)))

    async def _is_old(self, key: str, now: datetime) -> bool:
        """Storing the same content again makes it young."""
        stored_at = await self.objects.stored_at(key)
        return stored_at is not None and stored_at < now - self.keep


async def batches(keys: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    """A hundred at a time."""
    batch: list[str] = []
    async for key in keys:
        batch.append(key)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
