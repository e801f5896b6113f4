"""Which stored objects may go, and who is faster when one is referred to again.

An object is marked first, and removed under its mark's lock, only if it was not stored again meanwhile. A document that
brings the key of a marked object waits for that lock, then looks: an object that is gone is made again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("removals")

Stored: TypeAlias = Callable[[str], Awaitable[bool]]


async def mark_unreferenced(store: Store, corpus_id: UUID, keys: Sequence[str], now: datetime) -> list[str]:
    """Marks those of the corpus's objects that nothing refers to, and answers them."""
    rows = await store.fetch(_SQL["unreferenced"], corpus_id, keys)
    marked = [row["key"] for row in rows]
    if marked:
        await store.fetch(_SQL["mark"], marked, now)
    return marked


@asynccontextmanager
async def held(store: Store, corpus_id: UUID, keys: Sequence[str]) -> AsyncIterator[list[str]]:
    """Those that are still marked and unreferenced. Inside, nobody can begin to refer to them."""
    async with store.transaction() as connection:
        rows = await connection.fetch(_SQL["hold"], keys)
        found = await connection.fetch(_SQL["unreferenced"], corpus_id, [row["key"] for row in rows])
        yield [row["key"] for row in found]


async def unmark(store: Store, keys: Sequence[str]) -> None:
    await store.fetch(_SQL["unmark"], keys)


async def still_there(store: Store, keys: Sequence[str], stored: Stored) -> bool:
    """Waits until removals under way have ended. What was stored again is marked no longer."""
    async with store.transaction() as connection:
        await connection.fetch(_SQL["hold"], keys)
        for key in keys:
            if not await stored(key):
                return False
        await connection.execute(_SQL["unmark"], keys)
    return True


async def cannot_look(_key: str) -> bool:
    """Whoever cannot look takes what was being removed for gone."""
    return False
