"""Work that goes step by step is none the worse for it."""

import asyncio

import pytest

from observe.steps import Stepwise


class Depth:
    """How often it was entered, and whether it is now."""

    def __init__(self) -> None:
        self.now = self.times = 0

    def __enter__(self) -> None:
        self.now += 1
        self.times += 1

    def __exit__(self, *_: object) -> None:
        self.now -= 1


async def test_work_in_steps_ends_raises_and_is_cancelled_as_it_would() -> None:
    around = Depth()
    seen = []

    async def inner(fate: str) -> str:
        try:
            await asyncio.sleep(0)
            seen.append(around.now)
            if fate == "raise":
                raise KeyError(fate)
            await asyncio.sleep(60 if fate == "wait" else 0)
        finally:
            seen.append(around.now)
        return fate

    async def watched(fate: str) -> str:
        return await Stepwise(inner(fate), around)

    assert await watched("end") == "end"
    with pytest.raises(KeyError):
        await watched("raise")
    waiting = asyncio.create_task(watched("wait"))
    await asyncio.sleep(0.01)
    assert around.now == 0, "it is off while the work waits"
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await watched("wait")
    assert seen == [1] * 8
    assert around.now == 0
