"""A corpus as lines of JSON, a few pages at a time: no connection is held while somebody reads slowly."""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("exports")
PAGES: Final = 20


async def lines(store: Store, corpus_id: UUID, *, vectors: bool = True) -> AsyncIterator[Sequence[str]]:
    """One line a chunk, in the order of URLs and then of the text."""
    after = ""
    while True:
        rows = await store.fetch(_SQL["lines"], corpus_id, after, PAGES, vectors)
        if not rows:
            return
        found = [row["line"] for row in rows if row["line"] is not None]
        if found:
            yield found
        after = rows[-1]["url"]
