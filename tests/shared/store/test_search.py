"""Search on a real pgvector: through the index and exactly, with filters that leave much, little and nothing."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.store.queries import load
from shared.store.search import SearchableCorpus, SearchFilter, SearchHit, find_corpus, nearest_sql, search
from shared.store.store import Store
from shared.store.vector_index import MAX_DIMENSION, ensure_index

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DIMENSION = 8
MODEL = "it's a model"
RNG = random.Random(7)

Vector = list[float]


def direction() -> Vector:
    return [RNG.gauss(0, 1) for _ in range(DIMENSION)]


async def add_corpus(store: Store, caller: str = "alice", name: str = "default", dimension: int = DIMENSION) -> UUID:
    corpus = uuid4()
    await store.pool.execute(
        "INSERT INTO corpora"
        " (id, caller_id, name, model, dimension, chunk_max_tokens, chunk_overlap_tokens, created_at)"
        " VALUES ($1, $2, $3, $4, $5, 250, 25, $6)",
        *(corpus, caller, name, MODEL, dimension, NOW),
    )
    return corpus


@dataclass(frozen=True)
class Page:
    url: str
    vectors: Sequence[Vector]
    title: str | None = None
    language: str | None = "en"
    fetched_at: datetime = NOW
    id: UUID = field(default_factory=uuid4)


async def add_pages(store: Store, corpus: UUID, *pages: Page) -> None:
    await store.pool.executemany(
        "INSERT INTO pages (id, corpus_id, url, document_id, final_url, text_key, text_sha256, chunker,"
        " chunk_max_tokens, chunk_overlap_tokens, model, title, language, chunks, tokens, fetched_at, indexed_at)"
        " VALUES ($1, $2, $3, $1, $3, 'k', 's', 'c', 250, 25, $4, $5, $6, $7, 1, $8, $8)",
        [
            (page.id, corpus, page.url, MODEL, page.title, page.language, len(page.vectors), page.fetched_at)
            for page in pages
        ],
    )
    await store.pool.executemany(
        "INSERT INTO chunks (page_id, corpus_id, model, ordinal, start_at, end_at, tokens, text, embedding)"
        " VALUES ($1, $2, $3, $4, 0, 1, 1, $5, $6::text::vector)",
        [
            (page.id, corpus, MODEL, n, f"{page.url}#{n}", str(vector))
            for page in pages
            for n, vector in enumerate(page.vectors)
        ],
    )


async def corpus_named(store: Store, name: str = "default", caller: str = "alice") -> SearchableCorpus:
    found = await find_corpus(store, caller, name)
    assert found is not None
    return found


async def fill(store: Store, corpus: UUID) -> None:
    """300 pages of 10 chunks. Every hundredth page is German, and only page 7 speaks of a zebra."""
    pages = [
        Page(
            f"https://site.example/{'docs' if number < 5 else 'blog'}/{number}",
            [direction() for _ in range(10)],
            title="A Zebra's day" if number == 7 else f"Page {number}",
            language="de" if number % 100 == 99 else "en",
            fetched_at=NOW - timedelta(days=number),
        )
        for number in range(300)
    ]
    await add_pages(store, corpus, *pages)
    await store.pool.execute("ANALYZE chunks; ANALYZE pages")


def texts(hits: Sequence[SearchHit]) -> list[str]:
    return [hit.text for hit in hits]


async def plan(store: Store, corpus: SearchableCorpus, matching: SearchFilter) -> str:
    conditions = (matching.url_prefix, matching.language, matching.title_contains, matching.since)
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute(load("search")["settings"], "100")
        rows = await connection.fetch(
            f"EXPLAIN {nearest_sql(corpus.dimension)}", corpus.id, corpus.model, str(direction()), 10, *conditions
        )
    return "\n".join(row[0] for row in rows)


async def test_best_first_with_the_cosine_as_score(store: Store) -> None:
    corpus = await add_corpus(store)
    same, near, opposite = [1.0, 0, 0, 0, 0, 0, 0, 0], [1.0, 1, 0, 0, 0, 0, 0, 0], [-2.0, 0, 0, 0, 0, 0, 0, 0]
    await add_pages(store, corpus, Page("https://a.example/", [opposite, near, same], title="A"))
    hits = await search(store, await corpus_named(store), same, 10)
    assert texts(hits) == ["https://a.example/#2", "https://a.example/#1", "https://a.example/#0"]
    assert [hit.score for hit in hits] == pytest.approx([1, 0.5**0.5, -1])
    assert (hits[0].title, hits[0].url, hits[0].ordinal) == ("A", "https://a.example/", 2)


async def test_an_empty_corpus_has_no_results(store: Store) -> None:
    await add_corpus(store)
    assert await search(store, await corpus_named(store), direction(), 5) == []


async def test_a_corpus_is_found_only_by_its_caller(store: Store) -> None:
    await add_corpus(store, "alice", "mine")
    assert await find_corpus(store, "bob", "mine") is None
    assert await find_corpus(store, "alice", "other") is None
    assert (await corpus_named(store, "mine")).indexed is False


async def test_two_corpora_do_not_mix_even_with_different_dimensions(store: Store) -> None:
    first, second = await add_corpus(store, name="first"), await add_corpus(store, "bob", "second", dimension=3)
    await add_pages(store, first, Page("https://a.example/", [direction()]))
    await add_pages(store, second, Page("https://b.example/", [[1.0, 2.0, 3.0]]))
    assert texts(await search(store, await corpus_named(store, "first"), direction(), 9)) == ["https://a.example/#0"]
    found = await corpus_named(store, "second", "bob")
    assert texts(await search(store, found, [1.0, 0.0, 0.0], 9)) == ["https://b.example/#0"]


async def test_the_index_is_built_once_and_really_used(store: Store) -> None:
    corpus = await add_corpus(store)
    await fill(store, corpus)
    assert not await ensure_index(store, corpus, NOW, threshold=3001), "too small for an index"
    assert not (await corpus_named(store)).indexed
    assert await ensure_index(store, corpus, NOW, threshold=3000)
    assert not await ensure_index(store, corpus, NOW, threshold=3000), "it is there already"
    found = await corpus_named(store)
    assert found.indexed
    assert f"chunks_near_{corpus.hex}" in await plan(store, found, SearchFilter())

    query = direction()
    exact = texts(await search(store, SearchableCorpus(found.id, found.model, found.dimension), query, 10))
    near = texts(await search(store, found, query, 10))
    assert len(near) == 10
    assert near[0] == exact[0]
    assert len(set(near) & set(exact)) >= 9


@pytest.mark.parametrize(
    ("matching", "pages"),
    [
        (SearchFilter(language="de"), {99, 199, 299}),
        (SearchFilter(url_prefix="https://site.example/docs/"), {0, 1, 2, 3, 4}),
        (SearchFilter(title_contains="zebra"), {7}),
        (SearchFilter(since=NOW - timedelta(days=1)), {0, 1}),
        (SearchFilter(title_contains="zebra", language="de"), set()),
        (SearchFilter(url_prefix="https://site.example/blog/%"), set()),
    ],
)
async def test_a_filter_never_leaves_fewer_than_there_are(
    indexed_store: Store, matching: SearchFilter, pages: set[int]
) -> None:
    corpus = await corpus_named(indexed_store)
    everything = await search(indexed_store, corpus, direction(), 100, matching)
    assert len(everything) == 10 * len(pages)
    assert {int(hit.url.rpartition("/")[2]) for hit in everything} == pages
    few = await search(indexed_store, corpus, direction(), 3, matching)
    assert len(few) == min(3, 10 * len(pages))
    assert [hit.score for hit in few] == sorted((hit.score for hit in few), reverse=True)


async def test_k_may_be_larger_than_the_index_likes(indexed_store: Store) -> None:
    assert len(await search(indexed_store, await corpus_named(indexed_store), direction(), 100)) == 100


@pytest.fixture
async def indexed_store(store: Store) -> Store:
    corpus = await add_corpus(store)
    await fill(store, corpus)
    assert await ensure_index(store, corpus, NOW, threshold=1)
    return store


async def test_a_builder_that_died_is_replaced_after_its_time(store: Store) -> None:
    corpus = await add_corpus(store)
    await add_pages(store, corpus, Page("https://a.example/", [direction()]))
    await store.pool.execute("UPDATE corpora SET vector_index = 'building', vector_index_at = $1", NOW)
    assert not await ensure_index(store, corpus, NOW + timedelta(minutes=1), threshold=1)
    assert await ensure_index(store, corpus, NOW + timedelta(hours=1), threshold=1)


async def test_a_failed_build_leaves_the_turn_to_the_next(store: Store) -> None:
    corpus = await add_corpus(store, dimension=7)
    await add_pages(store, corpus, Page("https://a.example/", [direction()]))
    with pytest.raises(Exception, match="expected 7 dimensions"):
        await ensure_index(store, corpus, NOW, threshold=1)
    assert await store.pool.fetchval("SELECT vector_index FROM corpora") == "none"
    await store.pool.execute("UPDATE corpora SET dimension = 8")
    assert await ensure_index(store, corpus, NOW, threshold=1), "the broken index is dropped first"


async def test_vectors_too_wide_for_the_index_are_left_to_the_exact_scan(store: Store) -> None:
    corpus = await add_corpus(store, dimension=MAX_DIMENSION + 1)
    assert not await ensure_index(store, corpus, NOW, threshold=0)
