"""Who gets which replica, and in what order."""

import asyncio
from dataclasses import dataclass

import pytest

from emulator.activator import Activator, QueueFull


@dataclass(eq=False)
class Backend:
    in_flight: int = 0
    empty: bool = False

    def drained(self) -> None:
        self.empty = True


def activator(concurrency: int, max_queued: int = 100) -> tuple[Activator[Backend], list[int]]:
    demand: list[int] = []
    return Activator(concurrency, demand.append, max_queued=max_queued, seed=1), demand


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_held_requests_go_first_come_first_served() -> None:
    held, demand = activator(1)
    order: list[int] = []

    async def call(number: int) -> Backend:
        backend = await held.acquire()
        order.append(number)
        return backend

    calls = [asyncio.create_task(call(number)) for number in range(3)]
    await settle()
    assert held.queued == 3
    only = Backend()
    held.add(only)
    for done in range(1, 4):
        await settle()
        assert order == list(range(done))
        assert only.in_flight == 1
        held.release(only)
    await asyncio.gather(*calls)
    assert (held.queued, only.in_flight, sum(demand)) == (0, 0, 0)


async def test_a_late_request_does_not_pass_those_that_wait() -> None:
    held, _ = activator(1)
    held.add(only := Backend())
    await held.acquire()
    waiting = asyncio.create_task(held.acquire())
    await settle()
    held.release(only)
    late = asyncio.create_task(held.acquire())
    await settle()
    assert waiting.done()
    assert not late.done()
    late.cancel()


async def test_who_gives_up_leaves_the_queue_and_takes_no_slot() -> None:
    held, demand = activator(1)
    gone, stays = asyncio.create_task(held.acquire()), asyncio.create_task(held.acquire())
    await settle()
    gone.cancel()
    await settle()
    assert held.queued == 1
    held.add(only := Backend())
    assert await stays is only
    assert (only.in_flight, sum(demand)) == (1, 1)


async def test_a_slot_given_to_one_who_gives_up_at_that_moment_is_not_lost() -> None:
    held, demand = activator(1)
    call = asyncio.create_task(held.acquire())
    await settle()
    held.add(only := Backend())
    call.cancel()
    await settle()
    assert (only.in_flight, held.queued, sum(demand)) == (0, 0, 0)
    assert await held.acquire() is only


async def test_the_queue_has_a_bound() -> None:
    held, _ = activator(1, max_queued=2)
    calls = [asyncio.create_task(held.acquire()) for _ in range(2)]
    await settle()
    with pytest.raises(QueueFull):
        await held.acquire()
    for call in calls:
        call.cancel()


async def test_a_removed_replica_gets_nothing_new_and_says_when_it_is_empty() -> None:
    held, _ = activator(0)
    held.add(one := Backend())
    await held.acquire()
    held.remove(one)
    assert not one.empty
    call = asyncio.create_task(held.acquire())
    await settle()
    held.release(one)
    assert one.empty
    assert not call.done()
    call.cancel()


@pytest.mark.parametrize(("concurrency", "shares"), [(2, [2, 1, 0]), (4, [1, 1, 1])])
async def test_few_slots_fill_one_after_the_other_and_many_in_turn(concurrency: int, shares: list[int]) -> None:
    held, _ = activator(concurrency)
    backends = [Backend() for _ in range(3)]
    for backend in backends:
        held.add(backend)
    for _ in range(3):
        await held.acquire()
    assert [backend.in_flight for backend in backends] == shares


async def test_without_a_limit_the_less_busy_of_two_is_taken() -> None:
    held, _ = activator(0)
    busy, free = Backend(in_flight=50), Backend()
    held.add(busy)
    held.add(free)
    assert [await held.acquire() for _ in range(20)] == [free] * 20


async def test_thousands_may_give_up_without_a_trace() -> None:
    held, demand = activator(1, max_queued=10_000)
    calls = [asyncio.create_task(held.acquire()) for _ in range(5000)]
    await settle()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (held.queued, sum(demand)) == (0, 0)
    assert len(held._waiting) <= 64
