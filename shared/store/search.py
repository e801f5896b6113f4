"""Nearest chunks: HNSW where there is an index, exact elsewhere and whenever the index comes back short."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.store.store import Store


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """All given conditions must hold."""

    url_prefix: str | None = None
    domain: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """`score` is the cosine similarity, -1 to 1."""

    url: str
    title: str | None
    score: float
    text: str
    ordinal: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SearchableCorpus:
    id: UUID
    model: str
    dimension: int


async def find_corpus(store: Store, caller_id: str, name: str) -> SearchableCorpus | None:
    raise NotImplementedError


async def search(
    store: Store,
    corpus: SearchableCorpus,
    vector: Sequence[float],
    k: int,
    matching: SearchFilter = SearchFilter(),
) -> list[SearchHit]:
    """Exactly min(k, matching chunks), best first."""
    raise NotImplementedError
