"""Sends what PingSources ask for, when they ask for it, and where an annotation says so only while there is work."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

from emulator.broker.event import Event, binary_headers
from emulator.broker.ports import BrokerDestination, Errand, Sender, Unreachable
from emulator.broker.retry import DeliveryPolicy, backoff_s, is_retryable
from emulator.eventing import PingSource
from emulator.ping import next_tick

ONLY_WHEN = "dev.sluice/only-when-sql"
LONGEST_SLEEP_S = 3600.0
RETRIES = DeliveryPolicy(retry=5, backoff_policy="exponential", backoff_delay_s=0.05)

_log = logging.getLogger(__name__)

Gate = Callable[[str], Awaitable[bool]]


class Brokers(Protocol):
    async def accept(self, namespace: str, name: str, event: Event) -> int: ...


async def always(_: str) -> bool:
    return True


def ping_event(source: PingSource, now: datetime) -> Event:
    """The event that Knative's PingSource sends."""
    attributes = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"/apis/v1/namespaces/{source.namespace}/pingsources/{source.name}",
        "type": "dev.knative.sources.ping",
        "time": now.isoformat().replace("+00:00", "Z"),
        **dict(source.extensions),
    }
    if source.content_type:
        attributes["datacontenttype"] = source.content_type
    return Event(attributes, source.data)


class Ticker:
    """`gate` answers the SQL of the annotation. A tick that fails is sent five times more, as Knative's sender does."""

    def __init__(
        self,
        source: PingSource,
        brokers: Brokers,
        sender: Sender,
        gate: Gate = always,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._brokers = brokers
        self._sender = sender
        self._gate = gate
        self._now = now
        self._sleep = sleep

    async def run(self) -> None:
        while True:
            now = self._now()
            due = next_tick(self._source.schedule, self._source.timezone, now)
            if due is None:
                return
            wait_s = (due - now).total_seconds()
            await asyncio.sleep(min(wait_s, LONGEST_SLEEP_S))
            if wait_s <= LONGEST_SLEEP_S:
                await self.tick()

    async def tick(self) -> bool:
        """Whether an event was sent."""
        condition = self._source.annotations.get(ONLY_WHEN)
        if condition is not None and not await self._gate(condition):
            return False
        event = ping_event(self._source, self._now())
        said = await self._deliver(event)
        for retry in range(RETRIES.retry):
            if not is_retryable(said):
                break
            await self._sleep(backoff_s(RETRIES, retry))
            said = await self._deliver(event)
        if said >= 300:
            _log.warning("tick %s was not delivered: the last answer was %d", self._source.name, said)
        return True

    async def _deliver(self, event: Event) -> int:
        """The status, 503 for none."""
        sink = self._source.sink
        if isinstance(sink, BrokerDestination):
            return await self._brokers.accept(sink.namespace, sink.name, event)
        try:
            return (await self._sender.send(Errand(sink, binary_headers(event), event.body))).status
        except Unreachable:
            return 503
