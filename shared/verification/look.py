"""Whether state, outbox, store, index and object store agree."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from shared.objects import ObjectStore
from shared.store.store import Store
from shared.verification.findings import Finding
from shared.verification.stored import contents
from shared.verification.tables import corpora, jobs_and_waits, pages


async def look(
    store: Store, objects: ObjectStore, now: datetime, *, patience_s: float, deep: bool = False
) -> AsyncIterator[Finding]:
    """Everything that does not agree, while the platform works: `patience_s` is what may be late without being lost."""
    async for finding in jobs_and_waits(store, now - timedelta(seconds=patience_s)):
        yield finding
    for corpus_id, _ in await corpora(store):
        async for finding in pages(store, corpus_id):
            yield finding
        async for finding in contents(store, objects, corpus_id, deep=deep):
            yield finding
