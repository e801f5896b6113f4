"""Triggers do not hold one another up, and ten thousand events are not ten thousand tasks."""

import asyncio
from pathlib import Path

from emulator.broker.ports import Answer
from tests.emulator.broker.world import Request, always, event, eventing, request, world

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


async def test_at_most_so_many_at_once_in_the_order_they_came(tmp_path: Path) -> None:
    going = 0
    most = 0

    async with world(eventing({"a": {}}), tmp_path, parallelism=3) as made:

        async def slow(_: Request) -> Answer:
            nonlocal going, most
            going += 1
            most = max(most, going)
            await made.clock.sleep(1)
            going -= 1
            return Answer(202)

        made.subscribers.scripts["a"] = slow
        for number in range(9):
            await made.brokers.accept("ns", "default", event(id=str(number)))
        await made.clock.run_out()
    assert most == 3
    assert [request.header("ce-id") for request in made.subscribers.requests] == [str(number) for number in range(9)]
    assert made.clock.elapsed_s == 3


async def test_a_slow_subscriber_holds_up_nobody_else(tmp_path: Path) -> None:
    async with world(eventing({"slow": {}, "quick": {}}), tmp_path, parallelism=2) as made:
        made.subscribers.scripts["slow"] = always(202, sleep_s=1)
        for number in range(20):
            await made.brokers.accept("ns", "default", event(id=str(number)))
        await made.clock.run(asyncio.sleep(0))
        assert len(made.subscribers.to("quick")) == 20
        assert len(made.subscribers.to("slow")) == 2
        assert made.brokers.snapshot()["trigger ns/slow"]["queued"] == 20


async def test_waiting_for_a_retry_takes_no_place(tmp_path: Path) -> None:
    policy = {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT1S"}
    later = {"retry": 1, "backoffPolicy": "exponential", "backoffDelay": "PT60S"}
    async with world(eventing({"a": {"delivery": later}, "b": {"delivery": policy}}), tmp_path, parallelism=1) as made:
        made.subscribers.scripts["a"] = always(503)
        for number in range(100):
            await made.brokers.accept("ns", "default", event(id=str(number)))
        await made.clock.run(asyncio.sleep(0))
        assert len(made.subscribers.to("a")) == 100
        assert len([task for task in asyncio.all_tasks() if task.get_name().startswith("deliver")]) <= 2
        await made.clock.run_out()
    assert made.clock.elapsed_s == 60
    assert made.brokers.snapshot()["trigger ns/a"] == {
        "delivered": 0,
        "retried": 100,
        "dead_lettered": 0,
        "dropped": 100,
        "queued": 0,
    }


async def test_ten_thousand_events_are_few_tasks(tmp_path: Path) -> None:
    async with world(eventing({"a": {}}), tmp_path) as made:
        made.subscribers.scripts["a"] = always(202, sleep_s=1)
        await asyncio.gather(*(made.brokers.accept("ns", "default", event(id=str(n))) for n in range(10_000)))
        assert len(asyncio.all_tasks()) < 80
        assert not made.brokers.idle()


async def test_a_producer_that_hangs_up_cancels_a_synchronous_delivery(tmp_path: Path) -> None:
    cancelled = asyncio.Event()

    async def stuck(_: Request) -> Answer:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Answer(202)

    async with world(eventing({"a": {}}), tmp_path, ack="imc-sync") as made:
        made.subscribers.scripts["a"] = stuck
        status, _ = await request(made.brokers, "POST", "/ns/default", EVENT, leaves=True)
    assert status == 500
    assert cancelled.is_set() or not made.subscribers.requests
