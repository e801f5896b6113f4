"""PingSources: when they send, what, and where to."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from emulator.broker.event import Event
from emulator.broker.ports import (
    Answer,
    BrokerDestination,
    Destination,
    Errand,
    FunctionDestination,
    Unreachable,
    UriDestination,
)
from emulator.eventing import PingSource
from emulator.ticks import ONLY_WHEN, Ticker

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A broker and a sender that remember, and a clock that does not wait; `open` answers every condition."""

    def __init__(self, *, is_open: bool = True, reachable: bool = True, statuses: Sequence[int] = ()) -> None:
        self.waited_s: list[float] = []
        self._statuses = list(statuses)
        self.accepted: list[tuple[str, str, Event]] = []
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        self.asked: list[str] = []
        self._open = is_open
        self._reachable = reachable

    async def accept(self, namespace: str, name: str, event: Event) -> int:
        self.accepted.append((namespace, name, event))
        return 202

    async def send(self, errand: Errand) -> Answer:
        if not self._reachable:
            raise Unreachable("refused")
        self.sent.append((errand.destination.url, dict(errand.headers), errand.body))
        return Answer(self._statuses.pop(0) if self._statuses else 202)

    async def gate(self, sql: str) -> bool:
        self.asked.append(sql)
        return self._open

    def ticker(self, sink: Destination, schedule: str = "* * * * * *", **annotations: str) -> Ticker:
        source = PingSource("ns", "tick", schedule, "UTC", "application/json", b"{}", sink, {"own": "x"}, annotations)
        return Ticker(source, self, self, self.gate, lambda: NOW, self.sleep)

    async def sleep(self, delay_s: float) -> None:
        self.waited_s.append(delay_s)


async def test_a_tick_for_a_broker_is_the_event_that_knative_sends() -> None:
    world = World()
    assert await world.ticker(BrokerDestination("ns", "default")).tick()
    [(namespace, name, event)] = world.accepted
    assert (namespace, name, event.body) == ("ns", "default", b"{}")
    assert event.attributes["type"] == "dev.knative.sources.ping"
    assert event.attributes["source"] == "/apis/v1/namespaces/ns/pingsources/tick"
    assert (event.attributes["time"], event.attributes["own"]) == ("2026-01-01T00:00:00Z", "x")
    assert event.attributes["datacontenttype"] == "application/json"


async def test_a_tick_for_a_function_goes_there() -> None:
    world = World()
    await world.ticker(FunctionDestination("ns", "f", "/tick")).tick()
    [(url, headers, body)] = world.sent
    assert url == "http://f.ns.svc.cluster.local/tick"
    assert headers["ce-type"] == "dev.knative.sources.ping"
    assert body == b"{}"


async def test_a_condition_is_asked_and_kept() -> None:
    for is_open in (True, False):
        world = World(is_open=is_open)
        annotations = {ONLY_WHEN: "SELECT overdue"}
        assert await world.ticker(BrokerDestination("ns", "default"), **annotations).tick() is is_open
        assert world.asked == ["SELECT overdue"]
        assert len(world.accepted) == is_open


async def test_a_sink_that_is_down_ends_nothing() -> None:
    world = World(reachable=False)
    assert await world.ticker(UriDestination("http://127.0.0.1:9")).tick()
    assert world.waited_s == [0.05, 0.1, 0.2, 0.4, 0.8]


@pytest.mark.parametrize(("statuses", "sent"), [([503, 500, 202], 3), ([400], 1), ([404] * 9, 6)])
async def test_a_tick_is_sent_again_where_that_can_help(statuses: list[int], sent: int) -> None:
    world = World(statuses=statuses)
    await world.ticker(UriDestination("http://127.0.0.1:9")).tick()
    assert len(world.sent) == sent
    assert len({headers["ce-id"] for _, headers, _ in world.sent}) == 1


async def test_a_date_that_never_comes_ends_the_ticker() -> None:
    await asyncio.wait_for(World().ticker(UriDestination("http://x"), "0 0 30 2 *").run(), 5)
