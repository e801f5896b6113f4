"""The endpoint as its clients see it: the openai library, and others that send whatever they like."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest

from functions.inference.handler import Engine, Settings, open_engine
from functions.inference.main import wire
from functions.inference.model import Model
from shared.runtime.app import FunctionApp
from shared.runtime.resources import Resources
from shared.settings import Environment
from tests.functions.inference import tiny_bert
from tests.local_http import serving

MODEL = "tiny"


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    folder = tiny_bert.write(tmp_path / "model", tiny_bert.random_weights())
    function = wire(
        {"EMBEDDING_MODEL_DIR": str(folder), "EMBEDDING_MODEL": MODEL, "MODEL_CACHE_DIR": str(tmp_path / "cache")}
        | {"INFERENCE_THREADS": "1", "MAX_BODY_BYTES": "20000"}
    )
    resources = Resources(function.open)
    async with serving(FunctionApp(function, resources)) as address:
        await resources.get(30)
        yield address
    await resources.close()


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client


async def test_the_openai_client_gets_the_same_vectors_in_both_encodings(url: str) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key="none", http_client=openai.DefaultAsyncHttpxClient(trust_env=False)
    ) as client:
        floats = await client.embeddings.create(model=MODEL, input=["a b", "", "c"], encoding_format="float")
        packed = await client.embeddings.create(model=MODEL, input=["a b", "", "c"])
        served = [model.id async for model in client.models.list()]
        assert (await client.models.retrieve(MODEL)).id == MODEL
        with pytest.raises(openai.NotFoundError, match="not served here"):
            await client.embeddings.create(model="other", input="a")
    as_float32 = [np.array([item.embedding for item in answer.data], dtype=np.float32) for answer in (floats, packed)]
    assert np.array_equal(as_float32[0], as_float32[1])
    assert [item.index for item in floats.data] == [0, 1, 2]
    assert floats.usage.prompt_tokens == packed.usage.total_tokens == 4 + 2 + 3
    assert np.allclose(np.linalg.norm(floats.data[0].embedding), 1, atol=1e-6)
    assert served == [MODEL]


async def test_token_ids_are_as_good_as_their_text(http: httpx.AsyncClient) -> None:
    answers = [
        (await http.post("/v1/embeddings", json={"input": value})).json()["data"][0]["embedding"]
        for value in ("a b", [4, 5], [[4, 5]], [2, 4, 5, 3])
    ]
    assert all(answer == answers[0] for answer in answers)


async def test_input_over_the_limit_is_413_unless_it_may_be_cut(http: httpx.AsyncClient) -> None:
    long = {"model": MODEL, "input": "a " * 11}
    refused = await http.post("/v1/embeddings", json=long)
    assert refused.status_code == 413
    assert refused.json()["error"] | {"message": ""} == {
        "message": "", "type": "invalid_request_error", "param": "input", "code": "input_too_long"
    }  # fmt: skip
    cut = (await http.post("/v1/embeddings", json=long | {"truncate": True})).json()
    exact = (await http.post("/v1/embeddings", json=long | {"input": "a " * 10})).json()
    assert cut["data"] == exact["data"]
    assert cut["usage"]["prompt_tokens"] == 12


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b'{"input": []}', 400), (b'{"input": "a", "dimensions": 3}', 400), (b'{"input": [99]}', 400),
        (b'{"input": "a", "model": "b"}', 404), (b'{"input": "' + b"a" * 20_000 + b'"}', 413),
    ],
)  # fmt: skip
async def test_bad_requests_get_a_short_error(http: httpx.AsyncClient, body: bytes, status: int) -> None:
    answer = await http.post("/v1/embeddings", content=body)
    assert answer.status_code == status
    assert "error" in answer.json()
    assert len(answer.content) < 768


async def test_many_at_once_get_what_one_alone_gets(http: httpx.AsyncClient) -> None:
    texts = ["a", "b c", "d e f g", "h " * 9, ""]

    async def one(text: str) -> list[float]:
        answer = await http.post("/v1/embeddings", json={"input": [text, "p"]})
        vector: list[float] = answer.json()["data"][0]["embedding"]
        return vector

    alone = [await one(text) for text in texts]
    together = await asyncio.gather(*(one(text) for text in texts * 8))
    assert np.allclose(together, alone * 8, atol=1e-6)


@pytest.fixture
async def engine(minilm: Model, model_cache: Path) -> AsyncIterator[Engine]:
    settings = replace(Settings.read(Environment({})), cache=model_cache, batch_tokens=512)
    async with open_engine(settings) as opened:
        yield opened


async def test_a_query_overtakes_a_pile_of_documents(engine: Engine) -> None:
    documents = asyncio.create_task(engine.bulk.embed([[101, *[2000] * 254, 102]] * 10))
    await asyncio.sleep(0)
    await engine.queries.embed([[101, 7592, 102]])
    assert engine.bulk.waiting_tokens > 0
    await documents


def test_importing_the_function_loads_nothing_heavy() -> None:
    heavy = "numpy onnx onnxruntime tokenizers safetensors httpx openai fastapi asyncpg redis"
    code = f"import sys, functions.inference.main; sys.exit(', '.join(set('{heavy}'.split()) & set(sys.modules)) or 0)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
