"""Nearest chunks: HNSW where there is an index, exact elsewhere and whenever the index comes back short."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from observe import metrics
from shared.errors import Unavailable
from shared.store.queries import load
from shared.store.store import Row, Store

if TYPE_CHECKING:
    from shared.store.store import Connection

# Embedding a question and finding its passages, wherever each is done.
SECONDS: Final = metrics.histogram(
    "sluice_search_seconds", "Embedding a question, and finding its passages.", "operation", "phase"
)
_SCANS: Final = metrics.counter("sluice_search_scans_total", "How passages were found.", "operation", "scan")

# At least this many candidates are held while walking the graph: pgvector's default of 40 finds too little.
EF_SEARCH = 100


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """All given conditions must hold. `since` compares with the time at which the page was fetched."""

    url_prefix: str | None = None
    language: str | None = None
    title_contains: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """`score` is the cosine similarity, -1 to 1; the text is `[start, end)` of the page's text."""

    url: str
    title: str | None
    score: float
    text: str
    ordinal: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SearchableCorpus:
    """`indexed` says that it has an HNSW index."""

    id: UUID
    model: str
    dimension: int
    indexed: bool = False


EVERYTHING = SearchFilter()


async def find_corpus(store: Store, caller_id: str, name: str) -> SearchableCorpus | None:
    """The caller's own, by name; or by id, one that was granted to it."""
    row = await store.fetch_row(load("search")["find_corpus"], caller_id, name)
    return SearchableCorpus(**row) if row is not None else None


async def search(
    store: Store,
    corpus: SearchableCorpus,
    vector: Sequence[float],
    k: int,
    matching: SearchFilter = EVERYTHING,
) -> list[SearchHit]:
    """Exactly min(k, matching chunks), best first."""
    scan = "index" if corpus.indexed else "exact"
    started = time.perf_counter()
    async with store.transaction() as connection:
        rows = await _nearest(connection, corpus, vector, k, matching) if corpus.indexed else []
        if len(rows) < k:
            scan = "fallback" if corpus.indexed else scan
            rows = await _exact(connection, corpus, vector, k, matching)
    _SCANS.inc("read", scan)
    SECONDS.observe(time.perf_counter() - started, "read", "find")
    return [_hit(row) for row in rows]


async def exact_search(
    store: Store,
    corpus: SearchableCorpus,
    vector: Sequence[float],
    k: int,
    matching: SearchFilter,
    *,
    timeout_s: float,
) -> list[SearchHit] | None:
    """The same without the index, by reading every vector; None when that takes longer than `timeout_s`."""
    try:
        async with store.transaction() as connection:
            await connection.execute(load("search")["patience"], str(int(timeout_s * 1000)))
            rows = await _exact(connection, corpus, vector, k, matching)
    except Unavailable as exc:
        if _is_timeout(exc):
            return None
        raise
    return [_hit(row) for row in rows]


def _is_timeout(exc: Unavailable) -> bool:
    import asyncpg  # noqa: PLC0415

    return isinstance(exc.__cause__, asyncpg.QueryCanceledError)


async def _exact(
    connection: "Connection", corpus: SearchableCorpus, vector: Sequence[float], k: int, matching: SearchFilter
) -> "Sequence[Row]":
    return await connection.fetch(load("search")["exact"], *_arguments(corpus, vector, k, matching))


async def _nearest(
    connection: "Connection", corpus: SearchableCorpus, vector: Sequence[float], k: int, matching: SearchFilter
) -> "Sequence[Row]":
    await connection.execute(load("search")["settings"], str(max(EF_SEARCH, 2 * k)))
    return await connection.fetch(nearest_sql(corpus.dimension), *_arguments(corpus, vector, k, matching))


def nearest_sql(dimension: int) -> str:
    """The index is on an expression that names the dimension, so the statement has to."""
    return load("search")["nearest"].replace("vector(1)", f"vector({dimension:d})")


def _arguments(corpus: SearchableCorpus, vector: Sequence[float], k: int, matching: SearchFilter) -> tuple[object, ...]:
    text = f"[{','.join(map(repr, vector))}]"
    conditions = (matching.url_prefix, matching.language, matching.title_contains, matching.since)
    return corpus.id, corpus.model, text, k, *conditions


def _hit(row: "Row") -> SearchHit:
    return SearchHit(
        row["url"], row["title"], row["score"], row["text"], row["ordinal"], row["start_at"], row["end_at"]
    )
