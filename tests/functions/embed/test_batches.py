"""Batches of many documents against a server that behaves and misbehaves: what each document gets."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from functions.embed.batcher import Batcher
from functions.embed.core import BatchLimits
from functions.embed.sender import Policy, Sender
from shared.auth.breaker import CircuitBreaker
from shared.embeddings.answer import Model
from shared.embeddings.client import EmbeddingClient, EndpointSettings
from shared.embeddings.measures import FILLING
from shared.errors import Interrupted, Permanent, StageFailure, Transient
from tests.fakes.embeddings import FakeEmbeddings, vector_of
from tests.local_http import closed_port, until

MODEL = Model("all-MiniLM-L6-v2", 8)
ROOMY = BatchLimits()


@dataclass
class Clock:
    """Sleeping is what makes its time pass."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Lane:
    batcher: Batcher
    clock: Clock

    async def embed(self, *texts: str) -> "list[array[float]]":
        return await self.batcher.embed([(text, 1) for text in texts], MODEL)

    async def many(self, documents: Sequence[Sequence[str]]) -> "list[list[array[float]] | BaseException]":
        return await asyncio.gather(*(self.embed(*texts) for texts in documents), return_exceptions=True)


@asynccontextmanager
async def lane_to(
    url: str, limits: BatchLimits = ROOMY, *, failures: int = 5, timeout_s: float = 5
) -> AsyncIterator[Lane]:
    clock = Clock()
    client = EmbeddingClient(EndpointSettings(url, timeout_s), FILLING)
    breaker = CircuitBreaker("embedding", clock=clock, failures=failures)
    sender = Sender(client, breaker, Policy(), clock=clock, sleep=clock.sleep)
    try:
        async with Batcher(sender.send, limits) as batcher:
            yield Lane(batcher, clock)
    finally:
        await client.close()


@asynccontextmanager
async def lane(fake: FakeEmbeddings, limits: BatchLimits = ROOMY, *, failures: int = 5) -> AsyncIterator[Lane]:
    fake.dimension = MODEL.dimension
    async with fake.serving() as url, lane_to(url, limits, failures=failures) as opened:
        yield opened


def right(texts: Sequence[str]) -> "list[array[float]]":
    return [vector_of(text, MODEL.dimension) for text in texts]


async def test_documents_share_batches_and_get_their_own_vectors() -> None:
    documents = [[f"{n}-{m}" for m in range(5)] for n in range(20)]
    fake = FakeEmbeddings()
    async with lane(fake) as embedding:
        answers = await embedding.many(documents)
    assert answers == [right(texts) for texts in documents]
    assert len(fake.batches) == 1


async def test_no_texts_are_no_request() -> None:
    fake = FakeEmbeddings()
    async with lane(fake) as embedding:
        assert await embedding.embed() == []
    assert fake.batches == []


async def test_batches_are_bounded_and_so_are_requests_in_flight() -> None:
    documents = [[f"{n}-{m}" for m in range(30)] for n in range(20)]
    fake = FakeEmbeddings(delay_s=0.02)
    async with lane(fake, BatchLimits(max_texts=32)) as embedding:
        answers = await embedding.many(documents)
    assert answers == [right(texts) for texts in documents]
    assert max(map(len, fake.batches)) == 32
    assert len(fake.batches) <= 21
    assert fake.most_in_flight == 4


async def test_429_pauses_the_whole_client_for_as_long_as_asked() -> None:
    fake = FakeEmbeddings(mode="429", times=1, retry_after="17")
    async with lane(fake) as embedding:
        assert await embedding.embed("a") == right(["a"])
        assert embedding.clock.slept == [17]


async def test_endless_429_is_transient_and_says_when_to_come_back() -> None:
    fake = FakeEmbeddings(mode="429", retry_after="5")
    async with lane(fake) as embedding:
        with pytest.raises(Transient) as error:
            await embedding.embed("a")
    assert (error.value.code, error.value.retry_after_s) == ("embedding_overloaded", 5)
    assert len(fake.batches) == 7


async def test_a_wait_that_is_too_long_is_left_to_the_orchestrator() -> None:
    fake = FakeEmbeddings(mode="429", retry_after="3600")
    async with lane(fake) as embedding:
        with pytest.raises(Transient) as error:
            await embedding.embed("a")
    assert (error.value.retry_after_s, len(fake.batches)) == (3600, 1)


async def test_413_splits_until_it_fits() -> None:
    texts = [str(n) for n in range(100)]
    fake = FakeEmbeddings(max_texts=7)
    async with lane(fake) as embedding:
        assert await embedding.embed(*texts) == right(texts)
        assert embedding.clock.slept == []


async def test_a_text_that_is_too_long_fails_its_own_document_only() -> None:
    documents = [["a", "b"], ["c", "x" * 50], ["d"]]
    async with lane(FakeEmbeddings(max_chars=20)) as embedding:
        first, second, third = await embedding.many(documents)
    assert (first, third) == (right("ab"), right("d"))
    assert isinstance(second, Permanent)
    assert second.code == "chunk_too_long"


@pytest.mark.parametrize(
    ("mode", "kind", "code"),
    [
        ("400", Permanent, "embedding_refused"),
        ("500", Transient, "embedding_failed"),
        ("nan", Transient, "embedding_not_finite"),
        ("zero", Transient, "embedding_zero"),
        ("not-json", Transient, "embedding_bad_answer"),
        ("wrong-count", Transient, "embedding_wrong_count"),
    ],
)
async def test_a_poisonous_text_never_costs_the_good_ones(mode: str, kind: type[StageFailure], code: str) -> None:
    documents = [[f"{n}-{m}" for m in range(8)] for n in range(25)]
    documents[3].append("POISON")
    fake = FakeEmbeddings(poison={"POISON": mode})
    async with lane(fake) as embedding:
        answers = await embedding.many(documents)
    bad = answers.pop(3)
    assert isinstance(bad, kind)
    assert bad.code == code
    assert answers == [right(texts) for texts in documents[:3] + documents[4:]]


async def test_a_short_illness_of_the_endpoint_is_waited_out() -> None:
    fake = FakeEmbeddings(mode="500", times=2)
    async with lane(fake) as embedding:
        assert await embedding.embed("a", "b") == right("ab")
        assert embedding.clock.slept == [0.5, 2.0]
    assert len(fake.batches) == 3


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("401", "embedding_unauthorized"),
        ("404", "embedding_not_found"),
        ("wrong-dimension", "embedding_wrong_dimension"),
        ("wrong-model", "embedding_wrong_model"),
    ],
)
async def test_what_is_wrong_for_every_text_is_not_taken_apart(mode: str, code: str) -> None:
    fake = FakeEmbeddings(mode=mode)
    async with lane(fake) as embedding:
        answers = await embedding.many([["a"] * 50, ["b"] * 50])
    assert [(type(answer), getattr(answer, "code", "")) for answer in answers] == [(Transient, code)] * 2
    assert len(fake.batches) == 3


async def test_an_endpoint_that_fails_everything_is_not_asked_for_every_text() -> None:
    fake = FakeEmbeddings(mode="500")
    async with lane(fake) as embedding:
        [answer] = await embedding.many([[str(n) for n in range(200)]])
    assert isinstance(answer, Transient)
    assert len(fake.batches) <= 15


async def test_nobody_there_is_transient() -> None:
    async with lane_to(f"http://127.0.0.1:{closed_port()}/v1") as embedding:
        with pytest.raises(Transient) as error:
            await embedding.embed("a")
    assert error.value.code == "embedding_unavailable"


async def test_an_open_circuit_gives_the_documents_back_without_asking() -> None:
    fake = FakeEmbeddings(mode="401")
    async with lane(fake, failures=2) as embedding:
        for text in "ab":
            with pytest.raises(Transient):
                await embedding.embed(text)
        asked = len(fake.batches)
        with pytest.raises(Interrupted) as error:
            await embedding.embed("c")
        assert error.value.retry_after_s is not None
        assert 0 < error.value.retry_after_s <= 10
        assert len(fake.batches) == asked

        fake.mode = "ok"
        embedding.clock.now += 11
        assert await embedding.embed("d") == right("d")


async def test_poison_does_not_open_the_circuit() -> None:
    async with lane(FakeEmbeddings(poison={"POISON": "500"}), failures=1) as embedding:
        await embedding.many([["POISON"], ["a", "b", "c"]])
        assert await embedding.embed("d") == right("d")


async def test_texts_of_a_document_that_nobody_waits_for_are_not_sent() -> None:
    fake = FakeEmbeddings(delay_s=0.5)
    async with lane(fake, BatchLimits(max_texts=1)) as embedding:
        busy = [asyncio.create_task(embedding.embed(str(n))) for n in range(4)]
        await until(lambda: fake.in_flight == 4)
        abandoned = asyncio.create_task(embedding.embed("abandoned"))
        await asyncio.sleep(0)
        abandoned.cancel()
        last = asyncio.create_task(embedding.embed("last"))
        await asyncio.gather(*busy, last)
    assert ["abandoned"] not in fake.batches
    assert fake.batches[-1] == ["last"]
