"""Requests share batches, keep their own order, and do not harm one another."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from functions.inference.core import Tokens
from functions.inference.lane import Lane
from shared.errors import Overloaded
from tests.local_http import until


class Recorder:
    """A model whose vector is the sequence's first token; it can be held up, and fails on token 666."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.started = 0

    def __call__(self, sequences: Sequence[Tokens]) -> list[np.ndarray[tuple[int], np.dtype[np.float32]]]:
        self.started += 1
        assert self.gate.wait(10)
        self.batches.append([len(sequence) for sequence in sequences])
        if any(sequence[0] == 666 for sequence in sequences):
            raise RuntimeError("unlucky")
        return [np.array(sequence[:1], dtype=np.float32) for sequence in sequences]


@asynccontextmanager
async def lane_over(model: Recorder, *, batch_tokens: int = 100, max_waiting: int = 1000) -> AsyncIterator[Lane]:
    lane = Lane(model, batch_tokens=batch_tokens, max_waiting=max_waiting)
    worker = asyncio.create_task(lane.work(), name="lane")
    try:
        yield lane
    finally:
        model.gate.set()
        worker.cancel()
        await asyncio.wait({worker})


def of(*first_tokens: int, length: int = 3) -> list[Tokens]:
    return [[first, *[0] * (length - 1)] for first in first_tokens]


async def test_vectors_come_back_in_the_order_they_were_asked_for() -> None:
    async with lane_over(Recorder()) as lane:
        sequences = [[number, *[0] * (number * 7 % 11)] for number in range(60)]
        assert [int(vector[0]) for vector in await lane.embed(sequences)] == list(range(60))


async def test_requests_that_wait_share_batches_of_like_length() -> None:
    model = Recorder()
    async with lane_over(model, batch_tokens=40) as lane:
        model.gate.clear()
        first = asyncio.create_task(lane.embed(of(1)))
        await until(lambda: model.started == 1)
        others = [
            asyncio.create_task(lane.embed(of(number, length=length)))
            for number, length in ((2, 20), (3, 4), (4, 19), (5, 4))
        ]
        await until(lambda: lane.waiting_tokens == 3 + 20 + 4 + 19 + 4)
        model.gate.set()
        vectors = await asyncio.gather(first, *others)
    assert [int(vector[0][0]) for vector in vectors] == [1, 2, 3, 4, 5]
    assert model.batches == [[3], [4, 4], [19, 20]]


async def test_a_batch_that_fails_costs_only_its_own() -> None:
    model = Recorder()
    async with lane_over(model, batch_tokens=3) as lane:
        results = await asyncio.gather(*(lane.embed(of(number)) for number in (12, 666, 14)), return_exceptions=True)
        assert [isinstance(result, RuntimeError) for result in results] == [False, True, False]
        assert lane.waiting_tokens == 0
        assert int((await lane.embed(of(5)))[0][0]) == 5


async def test_too_much_waiting_is_refused_with_a_wait_but_an_idle_lane_takes_anything() -> None:
    model = Recorder()
    async with lane_over(model, max_waiting=50) as lane:
        model.gate.clear()
        large = asyncio.create_task(lane.embed(of(*range(20))))
        await until(lambda: model.started == 1)
        with pytest.raises(Overloaded) as refused:
            await lane.embed(of(1))
        assert refused.value.retry_after_s
        model.gate.set()
        assert len(await large) == 20
        assert len(await lane.embed(of(1))) == 1


async def test_nothing_is_computed_for_a_client_that_has_gone() -> None:
    model = Recorder()
    async with lane_over(model, batch_tokens=3) as lane:
        model.gate.clear()
        first, gone = asyncio.create_task(lane.embed(of(1))), asyncio.create_task(lane.embed(of(2, 3)))
        await until(lambda: model.started == 1 and lane.waiting_tokens == 9)
        gone.cancel()
        await asyncio.wait({gone})
        model.gate.set()
        await first
        await until(lambda: lane.waiting_tokens == 0)
        assert model.batches == [[3]]
