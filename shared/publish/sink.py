"""How long a sink keeps trying, and what its owner can do with it."""

from typing import Protocol

from shared.contracts.ports import EventSink

# Waits in seconds between tries: for a request that somebody waits for, and for the result of long work.
QUICK = (0.1, 0.5, 2.0)
PATIENT = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0)


class OpenSink(EventSink, Protocol):
    """Signs and delivers at least once: a failure may come after some receivers had the event.

    `publish` raises `Unavailable` after the last try, and `InvalidInput` when the event itself is refused.
    """

    async def close(self) -> None: ...
