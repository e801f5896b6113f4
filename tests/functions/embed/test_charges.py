"""Documents that share requests pay for them by their tokens, and nobody pays for what was not sent."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from functions.embed.core import BatchLimits
from shared.errors import StageFailure
from shared.tally import Tally, counting
from tests.fakes.embeddings import FakeEmbeddings
from tests.functions.embed.test_batches import MODEL, Lane, lane, lane_to
from tests.local_http import closed_port


async def embed(embedding: Lane, documents: Sequence[Sequence[int]]) -> list[Tally]:
    """Documents whose texts have so many tokens, side by side; what each has paid when it hears of its vectors."""

    async def one(tokens: Sequence[int]) -> Tally:
        tally = Tally()
        with counting(tally), suppress(StageFailure):
            await embedding.batcher.embed([("w" * n + str(n), n) for n in tokens], MODEL)
        return tally

    return await asyncio.gather(*(one(tokens) for tokens in documents))


async def test_a_request_is_paid_for_by_tokens() -> None:
    fake = FakeEmbeddings()
    async with lane(fake) as embedding:
        long, short = await embed(embedding, [[4, 2], [2]])
    assert len(fake.batches) == 1
    assert (long.embedded_tokens, short.embedded_tokens) == (6, 2)
    assert (long.embed_requests, short.embed_requests) == (0.75, 0.25)
    assert long.cpu_s == 3 * short.cpu_s > 0


async def test_retries_are_paid_for() -> None:
    fake = FakeEmbeddings(mode="500", times=2)
    async with lane(fake) as embedding:
        tallies = await embed(embedding, [[4, 2], [2]])
    assert len(fake.batches) == 3
    assert [tally.embedded_tokens for tally in tallies] == [18, 6]
    assert sum(tally.embed_requests for tally in tallies) == 3


async def test_a_batch_that_is_taken_apart_costs_every_request_that_it_took() -> None:
    fake = FakeEmbeddings(max_texts=2)
    async with lane(fake, BatchLimits(max_texts=8)) as embedding:
        tallies = await embed(embedding, [[1] * 5, [1] * 3])
    assert sum(tally.embed_requests for tally in tallies) == len(fake.batches) > 4
    assert sum(tally.embedded_tokens for tally in tallies) == sum(map(len, fake.batches))


async def test_what_nobody_was_there_to_take_was_not_sent() -> None:
    async with lane_to(f"http://127.0.0.1:{closed_port()}/v1") as embedding:
        [tally] = await embed(embedding, [[4]])
    assert (tally.embedded_tokens, tally.embed_requests) == (0, 0)
    assert tally.cpu_s > 0
