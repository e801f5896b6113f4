"""The embed function over HTTP: whoever calls it directly, and the event that wakes the workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from functions.embed.core import MAX_TEXTS, requested_texts
from functions.embed.main import build_from
from shared.contracts.envelope import to_event
from shared.contracts.stages import EmbedRequested
from shared.errors import InvalidInput
from shared.events.codec import encode_binary
from shared.events.event import Json
from shared.events.signing import Signer
from shared.runtime.app import FunctionApp
from shared.runtime.resources import Resources
from shared.settings import Environment
from tests.fakes.embeddings import FakeEmbeddings, vector_of
from tests.fakes.membership import API_KEY, membership
from tests.local_http import serving
from tests.numbers import here

KEY = b"k" * 32


@asynccontextmanager
async def function(tmp_path: Path, fake: FakeEmbeddings, redis_url: str = "redis://127.0.0.1:1") -> AsyncIterator[str]:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "event-signing-key").write_bytes(KEY)
    (secrets / "caller-hash-key").write_bytes(b"h" * 32)
    async with fake.serving() as endpoint, membership() as members:
        env = {
            "SECRETS_DIR": str(secrets),
            "REDIS_URL": redis_url,
            "MEMBERSHIP_URL": members,
            "EMBEDDING_API_BASE_URL": endpoint,
            "EMBED_RETRY_SECONDS": "0.01",
            "EMBED_CONCURRENCY": "3",
            "EMBEDDING_DIMENSION": str(fake.dimension),
        }
        built = build_from(Environment(env))
        resources = Resources(built.open)
        async with serving(FunctionApp(built, resources)) as url:
            yield url
        await resources.close()


async def post(url: str, body: Json) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        return await client.post(url, json=body, headers={"X-API-Key": API_KEY})


async def test_texts_become_vectors(tmp_path: Path) -> None:
    async with function(tmp_path, FakeEmbeddings(4)) as url:
        answer = await post(url, {"texts": ["a", "b"]})
        assert here()("sluice_embedding_requests_allowed", operation="write", request_mode="sync") == 3
    vectors = [vector_of(text, 4).tolist() for text in "ab"]
    assert answer.json() == {"model": "all-MiniLM-L6-v2", "dimension": 4, "vectors": vectors}


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("413", 422, "chunk_too_long"),
        ("wrong-dimension", 503, "embedding_wrong_dimension"),
        ("401", 503, "embedding_unauthorized"),
    ],
)
async def test_an_endpoint_that_misbehaves_is_a_clear_error(tmp_path: Path, mode: str, status: int, code: str) -> None:
    fake = FakeEmbeddings(4, mode=mode)
    async with function(tmp_path, fake) as url:
        answer = await post(url, {"text": "a"})
    assert (answer.status_code, answer.json()["error"]) == (status, code)


async def test_a_signed_event_leaves_a_wake_up(tmp_path: Path, redis_url: str) -> None:
    import redis

    asked = to_event(EmbedRequested(reason="advanced"), source="/functions/o", cause=None, time=datetime.now(UTC))
    async with function(tmp_path, FakeEmbeddings(4), redis_url) as url, httpx.AsyncClient(trust_env=False) as client:
        for event, status in ((Signer([KEY]).sign(asked), 204), (Signer([KEY]).sign(asked), 204), (asked, 401)):
            headers, body = encode_binary(event)
            answer = await client.post(url, content=body, headers=headers)
            assert (answer.status_code, bool(answer.content)) == (status, status != 204)
    with redis.Redis.from_url(redis_url) as connection:
        assert connection.llen("rq:queue:embed") == 1


async def test_without_redis_the_broker_is_asked_to_try_again(tmp_path: Path) -> None:
    asked = to_event(EmbedRequested(reason="advanced"), source="/functions/o", cause=None, time=datetime.now(UTC))
    headers, body = encode_binary(Signer([KEY]).sign(asked))
    async with function(tmp_path, FakeEmbeddings(4)) as url, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(url, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (503, "redis_unavailable")


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"texts": []}, {"texts": "a"}, {"texts": ["a", " "]}, {"texts": [1]}, {"text": None},
     {"text": "a", "texts": ["a"]}, {"text": "a", "texts": 5},
     {"texts": ["a"] * (MAX_TEXTS + 1)}],
)  # fmt: skip
def test_what_is_no_request_is_refused(body: Json) -> None:
    with pytest.raises(InvalidInput):
        requested_texts(body)
