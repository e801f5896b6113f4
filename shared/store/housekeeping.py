"""Keeps the tables short, in small batches."""

from datetime import datetime, timedelta
from typing import Final

from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("sweep")
_BATCH: Final = 1000
_LONG_TALLY: Final = 200
# How long each remembers. An inbox row outlives every retry of a broker; tokens fence out whatever comes later still.
_KEPT: Final = {
    "trim_inbox": timedelta(days=3),
    "trim_outbox": timedelta(hours=1),
    "trim_failures": timedelta(days=90),
    "trim_dead_letters": timedelta(days=30),
    "trim_audit": timedelta(days=90),
    "trim_removals": timedelta(days=3),
    "trim_webhooks": timedelta(days=30),
    "trim_costs": timedelta(days=400),
}


async def trim(store: Store, now: datetime) -> None:
    for name, kept in _KEPT.items():
        await store.fetch(_SQL[name], now - kept, _BATCH)


async def fold_tallies(store: Store) -> None:
    """Replaces the appended counts of busy jobs by their sums. Readers see the same totals before and after."""
    for row in await store.fetch(_SQL["long_tallies"], _LONG_TALLY):
        await store.fetch(load("jobs")["fold"], row["id"])


async def fold_corpora(store: Store) -> None:
    """The same for what corpora hold."""
    for row in await store.fetch(_SQL["long_corpora"], _LONG_TALLY):
        await store.fetch(_SQL["fold_corpus"], row["id"])
