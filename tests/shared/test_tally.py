"""What work takes is charged to that work, whatever it waits for and however it ends."""

import asyncio
import time
from collections.abc import Callable

import pytest

from shared.tally import SharedProcessor, Tally, counting, current, metered


def compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_only_the_works_own_steps_are_charged() -> None:
    tally = Tally()

    async def work() -> str:
        compute(0.02)
        await asyncio.sleep(0)
        compute(0.02)
        return "done"

    async def neighbour() -> None:
        compute(0.2)

    answer, _ = await asyncio.gather(metered(work(), tally), neighbour())
    assert answer == "done"
    assert 0.04 <= tally.cpu_s < 0.2


async def test_waiting_costs_nothing() -> None:
    tally, waited = Tally(), asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(compute, 0.1)
    asyncio.get_running_loop().call_soon(waited.set_result, "here")
    assert await metered(_wait_for(waited), tally) == "here"
    assert tally.cpu_s < 0.1


async def _wait_for(future: "asyncio.Future[str]") -> str:
    return await future


async def test_errors_and_cancelling_pass_through_and_are_charged() -> None:
    tally = Tally()

    async def fails() -> None:
        compute(0.01)
        raise ValueError("it failed")

    with pytest.raises(ValueError, match="it failed"):
        await metered(fails(), tally)
    assert tally.cpu_s >= 0.01
    heard: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    async def outer() -> None:
        await metered(hangs(), tally)

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == ["cancelled"]


async def test_a_timeout_around_metered_work_ends_it() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await metered(_wait_for(asyncio.get_running_loop().create_future()), Tally())


async def test_tasks_and_threads_begun_inside_count_for_the_same_work() -> None:
    tally = Tally()

    def take() -> None:
        current().fetched_bytes += 1

    async def take_later() -> None:
        take()

    with counting(tally):
        await asyncio.gather(asyncio.create_task(take_later()), asyncio.to_thread(take))
        take()
    take()
    assert tally.fetched_bytes == 3


async def test_threads_of_a_process_share_what_it_takes() -> None:
    """The sum is the process's own time, whoever was at work beside whom."""
    processor, first, second = SharedProcessor(), Tally(), Tally()

    async def work(tally: Tally, *then: Callable[[], None]) -> None:
        with processor.charge(tally):
            for part in then:
                await asyncio.to_thread(part)

    began = time.process_time()
    await asyncio.gather(work(first, lambda: compute(0.05)), work(second, lambda: compute(0.05)))
    took = time.process_time() - began
    assert 0.1 <= first.cpu_s + second.cpu_s <= took
    assert min(first.cpu_s, second.cpu_s) >= 0.04


def test_the_sum_is_reported_in_microseconds() -> None:
    spent = Tally(fetched_bytes=3, embed_requests=1 / 3, cpu_s=0.1234567).spent()
    assert (spent.fetched_bytes, spent.embed_requests, spent.cpu_s) == (3, 0.333333, 0.123457)
