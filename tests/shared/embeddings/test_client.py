"""The client against a real server that behaves and misbehaves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from shared.embeddings.answer import BadAnswer, Model
from shared.embeddings.client import NO_KEY, EmbeddingClient, EndpointDown, EndpointSettings
from shared.embeddings.measures import FILLING
from shared.errors import InvalidInput, Overloaded, SluiceError, TooLarge, Unavailable
from shared.settings import Environment
from tests.fakes.embeddings import FakeEmbeddings, vector_of
from tests.local_http import closed_port

MODEL = Model("all-MiniLM-L6-v2", 8)


@asynccontextmanager
async def client_of(base_url: str, timeout_s: float = 5) -> AsyncIterator[EmbeddingClient]:
    client = EmbeddingClient(EndpointSettings(base_url, timeout_s, "s3cret"), FILLING)
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("mode", ["ok", "float", "shuffled"])
async def test_vectors_come_back_in_the_order_of_the_texts(mode: str) -> None:
    fake = FakeEmbeddings(8, mode=mode)
    async with fake.serving() as url, client_of(url) as client:
        vectors = await client.embed(["a", "b", "c"], MODEL)
    assert vectors == [vector_of(text, 8) for text in "abc"]
    assert fake.keys == ["Bearer s3cret"]


@pytest.mark.parametrize(
    ("mode", "kind", "code"),
    [
        ("413", TooLarge, "embedding_too_large"),
        ("400", InvalidInput, "embedding_refused"),
        ("401", EndpointDown, "embedding_unauthorized"),
        ("404", EndpointDown, "embedding_not_found"),
        ("500", Unavailable, "embedding_failed"),
        ("429", Overloaded, "embedding_overloaded"),
        ("nonsense", BadAnswer, "embedding_bad_answer"),
        ("not-json", BadAnswer, "embedding_bad_answer"),
        ("wrong-dimension", BadAnswer, "embedding_wrong_dimension"),
        ("wrong-count", BadAnswer, "embedding_wrong_count"),
        ("wrong-index", BadAnswer, "embedding_wrong_count"),
        ("wrong-model", BadAnswer, "embedding_wrong_model"),
        ("nan", BadAnswer, "embedding_not_finite"),
        ("zero", BadAnswer, "embedding_zero"),
    ],
)
async def test_each_misbehaviour_has_its_code_and_is_asked_once(mode: str, kind: type[SluiceError], code: str) -> None:
    fake = FakeEmbeddings(8, mode=mode)
    async with fake.serving() as url, client_of(url) as client:
        with pytest.raises(kind) as error:
            await client.embed(["a", "b"], MODEL)
    assert error.value.code == code
    assert len(fake.batches) == 1


async def test_a_slow_endpoint_times_out() -> None:
    fake = FakeEmbeddings(8, mode="slow", slow_s=2)
    async with fake.serving() as url, client_of(url, timeout_s=0.1) as client:
        with pytest.raises(EndpointDown) as error:
            await client.embed(["a"], MODEL)
    assert error.value.code == "embedding_timeout"


async def test_nobody_there() -> None:
    async with client_of(f"http://127.0.0.1:{closed_port()}/v1") as client:
        with pytest.raises(EndpointDown) as error:
            await client.embed(["a"], MODEL)
    assert error.value.code == "embedding_unavailable"


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 0.5),
        (timedelta(seconds=100), 60, 101),
        (timedelta(seconds=-100), 0, 0),
    ],
)
async def test_the_wait_it_asks_for_is_understood(header: str | timedelta, low: float, high: float) -> None:
    text = header if isinstance(header, str) else format_datetime(datetime.now(UTC) + header, usegmt=True)
    fake = FakeEmbeddings(8, mode="429", retry_after=text)
    async with fake.serving() as url, client_of(url) as client:
        with pytest.raises(Overloaded) as error:
            await client.embed(["a"], MODEL)
    assert error.value.retry_after_s is not None
    assert low <= error.value.retry_after_s <= high


async def test_a_wait_that_makes_no_sense_is_none() -> None:
    fake = FakeEmbeddings(8, mode="429", retry_after="soon")
    async with fake.serving() as url, client_of(url) as client:
        with pytest.raises(Overloaded) as error:
            await client.embed(["a"], MODEL)
    assert error.value.retry_after_s is None


def test_there_is_no_default_address(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as error:
        EndpointSettings.read(Environment({"SECRETS_DIR": str(tmp_path)}))
    assert error.value.field == "EMBEDDING_API_BASE_URL"


def test_the_key_is_optional_and_never_shown(tmp_path: Path) -> None:
    variables = {"SECRETS_DIR": str(tmp_path), "EMBEDDING_API_BASE_URL": "http://gpu/v1"}
    assert EndpointSettings.read(Environment(variables)).api_key == NO_KEY
    (tmp_path / "embedding-api-key").write_text("s3cret\n")
    settings = EndpointSettings.read(Environment(variables))
    assert settings.api_key == "s3cret"
    assert "s3cret" not in repr(settings)


def test_queries_may_have_an_endpoint_of_their_own(tmp_path: Path) -> None:
    variables = {"SECRETS_DIR": str(tmp_path), "EMBEDDING_API_BASE_URL": "http://bulk/v1"}
    assert EndpointSettings.read_for_queries(Environment(variables)).base_url == "http://bulk/v1"
    variables["EMBEDDING_QUERY_API_BASE_URL"] = "http://queries/v1"
    assert EndpointSettings.read_for_queries(Environment(variables)).base_url == "http://queries/v1"
