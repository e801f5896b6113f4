"""Where events go. Whoever publishes does not know the transport."""

from typing import Protocol

from shared.events.event import CloudEvent

# Waits in seconds between tries: for a request that somebody waits for, and for the result of long work.
QUICK = (0.1, 0.5, 2.0)
PATIENT = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0)


class EventSink(Protocol):
    """Signs and delivers. At least once: a failure may come after some receivers had the event."""

    async def publish(self, event: CloudEvent) -> None:
        """Raises `Unavailable` after the last try, `InvalidInput` when the event itself is refused."""

    async def close(self) -> None: ...
