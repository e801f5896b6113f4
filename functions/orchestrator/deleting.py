"""Removes what is left of deleted corpora: rows, objects, and what was handed in for their jobs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from functions.orchestrator.tidying import batches
from shared.objects import ObjectStore, submission_folder
from shared.store import deletions
from shared.store.deletions import Deletion
from shared.store.store import Store


@dataclass(frozen=True)
class Deleter:
    """`straggle_s` is how long a worker may still store what it had in hand when the corpus was deleted.

    Being cut off is as good as a crash: the deletion is due again, and goes on where it was.
    """

    store: Store
    objects: ObjectStore
    straggle_s: float
    clock: Callable[[], datetime]
    longest_s: float = 10.0

    async def remove(self, deletion_id: UUID) -> None:
        """As far as it gets in its time; the rest with the next ticks."""
        if deletion := await deletions.take(self.store, deletion_id, self.clock()):
            await self._in_time(deletion)

    async def go_on(self) -> None:
        """One that is due, if any."""
        if deletion := await deletions.take_due(self.store, self.clock()):
            await self._in_time(deletion)

    async def _in_time(self, deletion: Deletion) -> None:
        try:
            async with asyncio.timeout(self.longest_s):
                await self._remove(deletion)
        except TimeoutError:
            await deletions.due_again(self.store, deletion, self.clock())

    async def _remove(self, deletion: Deletion) -> None:
        if deletion.removed_at is not None:
            await self._remove_objects(f"corpora/{deletion.corpus_id}/", deletion)
            await deletions.verify(self.store, deletion, self.clock())
            return
        await deletions.settle_costs(self.store, deletion)
        await deletions.remove_index(self.store, deletion)
        while await deletions.remove_some(self.store, deletion):
            pass
        while jobs := await deletions.some_jobs(self.store, deletion):
            for job_id in jobs:
                await self._remove_objects(f"corpora/{submission_folder(deletion.caller_id, job_id)}/", deletion)
            await deletions.remove_jobs(self.store, deletion, jobs)
        await self._remove_objects(f"corpora/{deletion.corpus_id}/", deletion)
        now = self.clock()
        await deletions.finish(self.store, deletion, now, now + timedelta(seconds=self.straggle_s))

    async def _remove_objects(self, prefix: str, deletion: Deletion) -> None:
        """Counted as they go, so that a deletion that was cut off counts each once."""
        async for batch in batches(self.objects.list(prefix)):
            await self.objects.delete(batch)
            await deletions.tally(self.store, deletion, {"objects": len(batch)})
