"""The search function over HTTP, on a real corpus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from functions.search.main import build_from
from shared.events.event import Json
from shared.runtime.app import FunctionApp
from shared.runtime.resources import Resources
from shared.settings import Environment
from shared.store.store import Store
from tests.fakes.embeddings import FakeEmbeddings, vector_of
from tests.fakes.membership import API_KEY, CALLER_ID, membership
from tests.fakes.telemetry import parent_id, recording, span_id
from tests.local_http import closed_port, serving, until
from tests.shared.store.test_search import DIMENSION, Page, add_corpus, add_pages


@asynccontextmanager
async def search_function(database: str, folder: Path, endpoint: str, **more: str) -> AsyncIterator[str]:
    (folder / "caller-hash-key").write_bytes(b"h" * 32)
    async with membership() as members:
        env = {
            "SECRETS_DIR": str(folder),
            "DATABASE_URL": database,
            "MEMBERSHIP_URL": members,
            "EMBEDDING_API_BASE_URL": endpoint,
        }
        built = build_from(Environment(env | more))
        resources = Resources(built.open)
        async with serving(FunctionApp(built, resources)) as url:
            yield url
        await resources.close()


async def ask(url: str, body: Json, key: str = API_KEY) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        return await client.post(url, json=body, headers={"X-API-Key": key})


@pytest.fixture
async def passages(store: Store) -> list[str]:
    """A corpus of three pages, each of one chunk that is what the stub makes of its title."""
    corpus = await add_corpus(store, CALLER_ID)
    titles = ["apples", "pears", "plums"]
    pages = [Page(f"https://a.example/{title}", [list(vector_of(title, DIMENSION))], title=title) for title in titles]
    await add_pages(store, corpus, *pages)
    await add_corpus(store, "bob", "secret")
    return titles


async def test_the_nearest_passage_comes_first(database: str, passages: list[str], tmp_path: Path) -> None:
    fake = FakeEmbeddings(DIMENSION)
    async with fake.serving() as endpoint, search_function(database, tmp_path, endpoint) as url:
        answer = await ask(url, {"query": "pears", "k": 2})
    [first, second] = answer.json()["results"]
    assert first == {
        "url": "https://a.example/pears",
        "title": "pears",
        "score": pytest.approx(1),
        "text": "https://a.example/pears#0",
        "ordinal": 0,
        "start": 0,
        "end": 1,
    }
    assert second["score"] < 1


async def test_a_filter_and_a_prefix_for_the_question(database: str, passages: list[str], tmp_path: Path) -> None:
    fake = FakeEmbeddings(DIMENSION)
    async with (
        fake.serving() as endpoint,
        search_function(database, tmp_path, endpoint, EMBEDDING_QUERY_PREFIX="Q: ") as url,
    ):
        answer = await ask(url, {"query": "pears", "filter": {"title_contains": "PLUM"}})
    assert [hit["title"] for hit in answer.json()["results"]] == ["plums"]
    assert fake.batches == [["Q: pears"]]


async def test_a_corpus_of_someone_else_is_not_there(database: str, passages: list[str], tmp_path: Path) -> None:
    async with FakeEmbeddings(DIMENSION).serving() as endpoint, search_function(database, tmp_path, endpoint) as url:
        answers = [await ask(url, {"query": "q", "corpus": corpus}) for corpus in ("secret", "nowhere")]
        assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(404, "corpus_not_found")] * 2
        assert (await ask(url, {"query": "q"}, key="slk_of-nobody")).status_code == 401


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("500", 503, "embedding_failed"),
        ("wrong-dimension", 503, "embedding_wrong_dimension"),
        ("429", 429, "embedding_overloaded"),
        ("413", 400, "query_too_long"),
        ("slow", 503, "embedding_timeout"),
    ],
)
async def test_an_endpoint_that_misbehaves_is_a_clear_error(
    database: str, passages: list[str], tmp_path: Path, mode: str, status: int, code: str
) -> None:
    fake = FakeEmbeddings(DIMENSION, mode=mode, slow_s=1)
    async with (
        fake.serving() as endpoint,
        search_function(database, tmp_path, endpoint, EMBEDDING_QUERY_TIMEOUT_SECONDS="0.3") as url,
    ):
        answer = await ask(url, {"query": "q"})
    assert (answer.status_code, answer.json()["error"]) == (status, code)


async def test_queries_go_to_their_own_endpoint(database: str, passages: list[str], tmp_path: Path) -> None:
    fake = FakeEmbeddings(DIMENSION)
    bulk = f"http://127.0.0.1:{closed_port()}/v1"
    async with (
        fake.serving() as endpoint,
        search_function(database, tmp_path, bulk, EMBEDDING_QUERY_API_BASE_URL=endpoint) as url,
    ):
        assert (await ask(url, {"query": "pears"})).status_code == 200


async def test_questions_beyond_the_lane_are_told_to_come_back(
    database: str, passages: list[str], tmp_path: Path
) -> None:
    fake = FakeEmbeddings(DIMENSION, delay_s=0.15)
    async with (
        fake.serving() as endpoint,
        search_function(database, tmp_path, endpoint, SEARCH_CONCURRENCY="1") as url,
    ):
        questions = [asyncio.create_task(ask(url, {"query": str(n)})) for n in range(14)]
        await until(lambda: sum(question.done() for question in questions) >= 5)
        answers = [question.result() for question in questions if question.done()]
        assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(429, "search_overloaded")}
        done = await asyncio.gather(*questions)
    assert sum(answer.status_code == 200 for answer in done) == 9
    assert fake.most_in_flight == 1


async def test_a_question_is_told_as_one_that_reads(database: str, passages: list[str], tmp_path: Path) -> None:
    with recording() as recorded:
        async with (
            FakeEmbeddings(DIMENSION).serving() as endpoint,
            search_function(database, tmp_path, endpoint) as url,
        ):
            assert (await ask(url, {"query": "pears", "k": 2})).status_code == 200
        call, nearest = recorded.one("search").attributes or {}, recorded.one("nearest passages")
        assert (call["job.stage"], call["request.mode"], call["caller.type"]) == ("read", "sync", "user")
        said = nearest.attributes or {}
        assert (said["operation"], said["search.top_k"], said["corpus.name"]) == ("read", 2, "default")
        assert said["embedding.model"]
        assert parent_id(nearest) == span_id(recorded.one("search"))
        assert parent_id(recorded.one("embed query")) == span_id(nearest)
        assert (recorded.one("embed query").attributes or {})["operation"] == "read"
