"""All brokers of the emulator: takes events in, keeps them on disk, and sees each to every Trigger that wants it."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from emulator.asgi import Receive, Scope, Send, answer
from emulator.broker.courier import Courier
from emulator.broker.decode import Malformed, validate
from emulator.broker.event import TTL, Event
from emulator.broker.filters import compile_trigger
from emulator.broker.flight import End, Flight, Move, Route, advance
from emulator.broker.ingress import ALLOW, OPTIONS_HEADERS, Refused, read, route, stamp
from emulator.broker.journal import Journal, Stored
from emulator.broker.lanes import Lane
from emulator.broker.ports import Clock, Sender
from emulator.broker.reading import TooLong, raw_uri, read_body, unless_gone
from emulator.broker.replies import Failed
from emulator.eventing import Eventing, Trigger

Ack: TypeAlias = Literal["durable", "imc-sync"]

DEFAULT_TTL = 255

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Subscription:
    route: Route
    wants: Callable[[dict[str, str]], bool]
    lane: Lane


@dataclass(slots=True)
class _Broker:
    subscriptions: list[_Subscription] = field(default_factory=list)
    accepted: int = 0
    unmatched: int = 0


class Brokers:
    """`ack` durable: 202 once the event is on disk. imc-sync: 202 or 500 once all is done, as the in-memory channel."""

    def __init__(
        self,
        eventing: Eventing,
        sender: Sender,
        *,
        clock: Clock,
        journal_path: Path,
        ack: Ack = "durable",
        ttl: int = DEFAULT_TTL,
        parallelism: int = 64,
        drain_s: float = 5.0,
    ) -> None:
        self._clock = clock
        self._courier = Courier(sender, self.accept, clock)
        self._journal_path = journal_path
        self._ack = ack
        self._ttl = ttl
        self._parallelism = parallelism
        self._drain_s = drain_s
        self._journal: Journal | None = None
        self._accepting = self._open = False
        self._brokers = {(broker.namespace, broker.name): _Broker() for broker in eventing.brokers}
        for trigger in eventing.triggers:
            self._subscribe(trigger)

    async def start(self) -> None:
        """Opens the journal and takes up what an earlier process left. Raises `Conflict` if another one has it."""
        left: list[Stored] = []
        if self._ack == "durable":
            self._journal, left = await Journal.open(self._journal_path)
        self._accepting = self._open = True
        for stored in left:
            self._resume(stored)

    async def stop(self) -> None:
        """Takes no more events, lets requests under way end, and keeps the rest on disk."""
        self._accepting = False
        await asyncio.gather(*(each.lane.drain(self._drain_s) for each in self._each()))
        self._open = False
        if self._journal:
            await self._journal.close()

    async def accept(self, namespace: str, name: str, event: Event) -> int:
        """The ingress, without HTTP: the status that it would answer."""
        broker = self._brokers.get((namespace, name))
        if broker is None:
            return 404
        if not self._open:
            return 503
        try:
            validate(event)
        except Malformed:
            return 400
        stamped = stamp(event, self._clock.now(), self._ttl)
        if stamped is None:
            return 400
        visible = stamped.without(TTL).attributes
        wanted = [each for each in broker.subscriptions if each.wants(visible)]
        status = await self._take(namespace, name, stamped, wanted)
        broker.accepted += status == 202
        broker.unmatched += not wanted
        return status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI, for every path below `/broker`."""
        headers = [ALLOW, *(OPTIONS_HEADERS if scope["method"] == "OPTIONS" else ())]
        await answer(send, await self._status(scope, receive), b"", b"", *headers)

    def snapshot(self) -> dict[str, dict[str, int]]:
        """Counters: `broker <namespace>/<name>` and `trigger <namespace>/<name>`."""
        found = {
            f"broker {namespace}/{name}": {"accepted": broker.accepted, "unmatched": broker.unmatched}
            for (namespace, name), broker in self._brokers.items()
        }
        for each in self._each():
            counts = each.lane.counts
            found[f"trigger {each.route.namespace}/{each.route.name}"] = {
                "delivered": counts.delivered,
                "retried": counts.retried,
                "dead_lettered": counts.dead_lettered,
                "dropped": counts.dropped,
                "queued": each.lane.depth,
            }
        return found

    def idle(self) -> bool:
        """Whether nothing is queued, under way or waiting to be tried again."""
        return not any(each.lane.depth for each in self._each())

    def _subscribe(self, trigger: Trigger) -> None:
        way = Route(trigger.namespace, trigger.broker, trigger.name, trigger.subscriber, trigger.delivery)
        lane = Lane(trigger.name, self._parallelism, self._step, self._ended, self._clock)
        wants = compile_trigger(trigger.filter, trigger.filters)
        self._brokers[trigger.namespace, trigger.broker].subscriptions.append(_Subscription(way, wants, lane))

    def _each(self) -> Iterable[_Subscription]:
        return (each for broker in self._brokers.values() for each in broker.subscriptions)

    async def _status(self, scope: Scope, receive: Receive) -> int:
        routed = route(scope["method"], raw_uri(scope))
        if isinstance(routed, Refused):
            return routed.status
        if (routed.namespace, routed.broker) not in self._brokers:
            return 404
        try:
            body = await read_body(scope, receive)
        except TooLong:
            return 413
        event = read(scope["headers"], body) if body is not None else None
        if event is None:
            return 400
        if not self._accepting:
            return 503
        work = self.accept(routed.namespace, routed.broker, event)
        return await (work if self._ack == "durable" else unless_gone(work, receive))

    async def _take(self, namespace: str, name: str, event: Event, wanted: list[_Subscription]) -> int:
        if not wanted:
            return 202
        if self._journal is None:
            return await self._deliver_now(event, wanted)
        try:
            key = await self._journal.add(namespace, name, event, (each.route.name for each in wanted))
        except (sqlite3.Error, OSError):
            return 500
        for each in wanted:
            each.lane.push(Flight(each.route, key, event, event))
        return 202

    async def _deliver_now(self, event: Event, wanted: list[_Subscription]) -> int:
        async with asyncio.TaskGroup() as group:
            flights = [
                group.create_task(
                    self._fly(each, Flight(each.route, 0, event, event)), name=f"deliver {each.route.name}"
                )
                for each in wanted
            ]
        return 500 if any(flight.result() is End.LOST for flight in flights) else 202

    async def _fly(self, subscription: _Subscription, flight: Flight) -> End:
        while True:
            move = await self._step(flight)
            if isinstance(move, End):
                subscription.lane.counts.end(move)
                return move
            subscription.lane.counts.retried += move.is_retry
            flight = move.flight
            if move.wait_s > 0:
                await self._clock.sleep(move.wait_s)

    async def _step(self, flight: Flight) -> Move:
        result = await self._courier.attempt(flight)
        move = advance(flight, result, self._clock.now())
        if isinstance(result, Failed):
            about = {"trigger": flight.route.name, "event_id": flight.event.attributes["id"]}
            about |= {"sending_to": flight.phase.value, "status": str(result.status or "timeout")}
            if move is End.LOST:
                _log.warning("an event is lost: no try and no dead letter sink is left", extra=about)
            else:
                _log.info("a delivery failed", extra=about)
        return move

    def _ended(self, flight: Flight, _: End) -> None:
        if self._journal:
            self._journal.done(flight.key, flight.route.name)

    def _resume(self, stored: Stored) -> None:
        """Triggers that are no longer there owe nothing."""
        broker = self._brokers.get((stored.namespace, stored.broker), _Broker())
        present = {each.route.name: each for each in broker.subscriptions}
        for name in stored.owed:
            if name in present:
                each = present[name]
                each.lane.push(Flight(each.route, stored.key, stored.event, stored.event))
            elif self._journal:
                self._journal.done(stored.key, name)
