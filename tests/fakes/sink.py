"""A sink that keeps what it gets."""

from dataclasses import dataclass, field
from typing import TypeVar

from shared.contracts.envelope import from_event
from shared.contracts.payload import Payload
from shared.errors import Unavailable
from shared.events.event import CloudEvent

P = TypeVar("P", bound=Payload)


@dataclass
class Sink:
    """`down`: it takes nothing."""

    events: list[CloudEvent] = field(default_factory=list)
    down: bool = False

    async def publish(self, event: CloudEvent) -> None:
        if self.down:
            raise Unavailable("broker_unavailable", "the broker does not answer", retry_after_s=1)
        self.events.append(event)

    async def close(self) -> None:
        pass

    def payloads(self, *kinds: type[P]) -> list[P]:
        payloads = [from_event(event) for event in self.events]
        return [payload for payload in payloads if isinstance(payload, kinds)]
