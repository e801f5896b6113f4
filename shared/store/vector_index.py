"""One HNSW index a corpus, built beside the traffic once the corpus is large enough to need it."""

import asyncio
import logging
from datetime import datetime
from uuid import UUID

from shared.store.queries import load
from shared.store.store import Store, translated

log = logging.getLogger(__name__)

THRESHOLD_CHUNKS = 10_000
# What pgvector can index as single floats. Larger vectors are searched exactly.
MAX_DIMENSION = 2000
BUILD_TIMEOUT_S = 3000.0


async def ensure_index(store: Store, corpus_id: UUID, now: datetime, threshold: int = THRESHOLD_CHUNKS) -> bool:
    """Builds the index if the corpus has `threshold` chunks, none yet, and nobody builds it. True when it was built."""
    sql = load("vector_index")
    row = await store.fetch_row(sql["take_turn"], corpus_id, now, BUILD_TIMEOUT_S, MAX_DIMENSION, threshold)
    if row is None:
        return False
    outcome = "none"
    try:
        await _build(store, corpus_id, row["model"], row["dimension"])
        outcome = "ready"
    finally:
        await asyncio.shield(store.fetch(sql["end_turn"], corpus_id, now, outcome))
    return True


async def drop_index(store: Store, corpus_id: UUID) -> None:
    """None is fine. Waits for those who search by it."""
    row = await store.fetch_row(load("vector_index")["drop_statement"], _name(corpus_id))
    assert row is not None
    with translated():
        await store.pool.execute(row[0], timeout=BUILD_TIMEOUT_S)


def _name(corpus_id: UUID) -> str:
    return f"chunks_near_{corpus_id.hex}"


async def _build(store: Store, corpus_id: UUID, model: str, dimension: int) -> None:
    """An index that an earlier builder left half-done is dropped first. Neither can run inside a transaction."""
    sql = load("vector_index")["statements"]
    texts = await store.fetch_row(sql, _name(corpus_id), dimension, corpus_id, model)
    assert texts is not None
    with translated():
        await store.pool.execute(texts["drop_old"], timeout=BUILD_TIMEOUT_S)
        await store.pool.execute(texts["build"], timeout=BUILD_TIMEOUT_S)
    log.info("vector index built")
