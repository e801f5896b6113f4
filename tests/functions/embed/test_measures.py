"""What is counted of batches and requests, by what the endpoint saw."""

import asyncio

from functions.embed.core import BatchLimits
from shared.errors import Interrupted
from tests.fakes.embeddings import FakeEmbeddings
from tests.functions.embed.test_batches import lane
from tests.local_http import until
from tests.numbers import Since, here

REQUESTS = "sluice_embedding_requests_total"
WRITTEN = {"operation": "write", "request_mode": "async"}


async def test_requests_tokens_and_the_fill_of_batches() -> None:
    fake, since = FakeEmbeddings(), Since()
    async with lane(fake, BatchLimits(max_tokens=4, max_texts=8)) as opened:
        await opened.many([["a", "b", "c", "d"], ["e", "f"]])
    assert sorted(len(batch) for batch in fake.batches) == [2, 4], "either may arrive first"
    assert since(REQUESTS, **WRITTEN, outcome="ok") == 2
    assert since("sluice_embedding_request_seconds_count", **WRITTEN) == 2
    assert since("sluice_embedding_tokens_total", **WRITTEN) == 2, "the stub says 1 of each request"
    assert since("sluice_embedding_batch_texts_sum") == 6
    assert since("sluice_embedding_batch_fill_ratio_bucket", le="0.5") == 1
    assert since("sluice_embedding_batch_fill_ratio_sum") == 1.5
    assert since("sluice_embedding_batch_wait_seconds_count") == 2
    assert since.in_seconds("sluice_embedding_batch_wait_seconds", at_once=2)
    assert since.in_seconds("sluice_embedding_request_seconds", at_once=2, **WRITTEN)


async def test_a_pause_that_the_endpoint_asked_for_is_counted() -> None:
    fake, since = FakeEmbeddings(mode="429", times=1, retry_after="7"), Since()
    async with lane(fake) as opened:
        await opened.embed("a")
        assert sum(opened.clock.slept) == 7
    assert since(REQUESTS, **WRITTEN, outcome="overloaded") == 1
    assert since(REQUESTS, **WRITTEN, outcome="ok") == 1
    assert since("sluice_embedding_paused_seconds_total") == 7


async def test_what_is_refused_too_large_or_down_is_told_apart() -> None:
    since = Since()
    for mode, outcome in (
        ("400", "refused"),
        ("413", "too_large"),
        ("500", "unavailable"),
        ("not-json", "unavailable"),
    ):
        before = since(REQUESTS, outcome=outcome)
        async with lane(FakeEmbeddings(mode=mode)) as opened:
            await opened.many([["a"]])
        assert since(REQUESTS, outcome=outcome) > before, mode
    assert since("sluice_embedding_tokens_total") == 0


async def test_requests_under_way_are_seen_while_they_are() -> None:
    fake = FakeEmbeddings(delay_s=0.2)
    async with lane(fake) as opened:
        asked = asyncio.create_task(opened.embed("a"))
        await until(lambda: fake.in_flight == 1)
        assert here()("sluice_embedding_requests_in_flight", **WRITTEN) == 1
        await asked
    assert here()("sluice_embedding_requests_in_flight", **WRITTEN) == 0


async def test_a_breaker_says_that_it_is_open_and_how_often_it_was() -> None:
    fake, since = FakeEmbeddings(mode="500"), Since()
    async with lane(fake, failures=1) as opened:
        await opened.many([["a"]])
        assert here()("sluice_breaker_open", breaker="embedding") == 1
        [refused] = await opened.many([["b"]])
        assert isinstance(refused, Interrupted)
        fake.mode = "ok"
        opened.clock.now += 60
        await opened.embed("c")
    assert here()("sluice_breaker_open", breaker="embedding") == 0
    assert since("sluice_breaker_openings_total", breaker="embedding") == 1
