"""What the stages need of the outside, as protocols, so that no layer waits for another."""

from typing import Protocol

from shared.events.event import CloudEvent


class EventSink(Protocol):
    """Where events go: a broker, or straight to the functions that want them."""

    async def publish(self, event: CloudEvent) -> None:
        """Signs and delivers. Raises `Unavailable` when its tries are used up."""
        ...
