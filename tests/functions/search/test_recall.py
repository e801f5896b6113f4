"""The recall probe: what it measures, and what it spares the database."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from functions.search.recall import EVERY_S, RecallProbe, recall
from shared.store.search import EVERYTHING, SearchFilter, SearchHit, search
from shared.store.store import Store
from shared.store.vector_index import ensure_index
from tests.fakes.embeddings import FakeEmbeddings
from tests.fakes.membership import CALLER_ID
from tests.functions.search.test_function import ask, search_function
from tests.local_http import until
from tests.numbers import Since
from tests.shared.store.test_search import NOW, add_corpus, corpus_named, direction, fill

PROBES = "sluice_search_recall_probes_total"


def hit(score: float) -> SearchHit:
    return SearchHit("https://a.example/", None, score, "text", 0, 0, 1)


@pytest.mark.parametrize(
    ("found", "exact", "expected"),
    [
        ([0.9, 0.8], [0.9, 0.8], 1.0),
        ([0.9, 0.7], [0.9, 0.8], 0.5),
        ([0.9, 0.8], [0.9, 0.8000000001], 1.0),
        ([0.6, 0.5], [0.9, 0.8], 0.0),
        ([0.9], [], 1.0),
    ],
)
def test_what_is_as_near_as_the_last_of_the_exact_ones_was_found(
    found: list[float], exact: list[float], expected: float
) -> None:
    assert recall([*map(hit, found)], [*map(hit, exact)]) == expected


@pytest.fixture
async def indexed(store: Store) -> Store:
    corpus = await add_corpus(store, CALLER_ID)
    await fill(store, corpus)
    assert await ensure_index(store, corpus, NOW, threshold=1)
    return store


async def test_an_answer_of_the_index_is_compared_at_most_once_a_minute(indexed: Store) -> None:
    corpus, vector = await corpus_named(indexed, caller=CALLER_ID), direction()
    found = await search(indexed, corpus, vector, 10)
    now = 1000.0
    since = Since()
    async with RecallProbe(indexed, 0.5, clock=lambda: now, dice=lambda: 0.4) as probe:
        for _ in range(5):
            probe.offer(corpus, vector, EVERYTHING, found)
        await until(lambda: since(PROBES) > 0)
        assert since(PROBES, outcome="measured") == 1
        assert since("sluice_search_recall_ratio_count", operation="read") == 1
        assert 0.5 <= since("sluice_search_recall_ratio_sum") <= 1
        now += EVERY_S
        probe.offer(corpus, vector, SearchFilter(language="de"), found)
        await until(lambda: since(PROBES) == 2)


async def test_an_index_that_lost_its_neighbours_is_noticed(indexed: Store) -> None:
    corpus, vector = await corpus_named(indexed, caller=CALLER_ID), direction()
    found = await search(indexed, corpus, vector, 10)
    opposite = await search(indexed, corpus, [-number for number in vector], 5)
    far = [replace(hit, score=-hit.score) for hit in opposite]
    since = Since()
    async with RecallProbe(indexed, 1.0) as probe:
        probe.offer(corpus, vector, EVERYTHING, [*found[:5], *far])
        await until(lambda: since(PROBES, outcome="measured") == 1)
    assert since("sluice_search_recall_ratio_sum") == 0.5


async def test_a_question_that_was_not_drawn_or_had_no_index_costs_nothing(indexed: Store) -> None:
    corpus, vector = await corpus_named(indexed, caller=CALLER_ID), direction()
    found = await search(indexed, corpus, vector, 3)
    since = Since()
    await add_corpus(indexed, "bob")
    async with RecallProbe(indexed, 0.5, dice=lambda: 0.5) as probe:
        probe.offer(corpus, vector, EVERYTHING, found)
        probe.offer(await corpus_named(indexed, caller="bob"), vector, EVERYTHING, found)
        await asyncio.sleep(0)
    assert since(PROBES) == 0


async def test_a_scan_that_takes_too_long_is_given_up(indexed: Store) -> None:
    corpus, vector = await corpus_named(indexed, caller=CALLER_ID), direction()
    found = await search(indexed, corpus, vector, 3)
    since = Since()
    async with indexed.pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE chunks IN ACCESS EXCLUSIVE MODE")
        async with RecallProbe(indexed, 1.0) as probe:
            probe.offer(corpus, vector, EVERYTHING, found)
            await until(lambda: since(PROBES) == 1)
    assert since(PROBES, outcome="too_slow") == 1


async def test_a_search_counts_how_it_found_and_how_long_each_part_took(
    database: str, indexed: Store, tmp_path: Path
) -> None:
    fake = FakeEmbeddings(len(direction()))
    since = Since()
    async with (
        fake.serving() as endpoint,
        search_function(database, tmp_path, endpoint, SEARCH_RECALL_SAMPLE="1") as url,
    ):
        assert (await ask(url, {"query": "a question"})).status_code == 200
        assert (await ask(url, {"query": "another", "filter": {"title_contains": "no such title"}})).status_code == 200
        await until(lambda: since(PROBES) == 1)
    assert since("sluice_search_scans_total", operation="read", scan="index") == 1
    assert since("sluice_search_scans_total", operation="read", scan="fallback") == 1
    assert since("sluice_search_seconds_count", operation="read", phase="embed") == 2
    assert since("sluice_search_seconds_count", operation="read", phase="find") == 2
    assert since("sluice_embedding_requests_total", operation="read", request_mode="sync", outcome="ok") == 2
    assert since("sluice_embedding_tokens_total", operation="read", request_mode="sync") == 2
