"""Publishes what the outbox still holds, and remembers what has left."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from shared.contracts.ports import EventSink
from shared.errors import SluiceError
from shared.events.event import CloudEvent

log = logging.getLogger(__name__)

AT_ONCE = 8


async def relay(
    events: Sequence[CloudEvent], sink: EventSink, mark: Callable[[Sequence[str]], Awaitable[None]]
) -> None:
    """One event that cannot leave does not hold up the others; it stays where it is, for the next sweep."""
    places = asyncio.Semaphore(AT_ONCE)

    async def send(event: CloudEvent) -> str | None:
        async with places:
            try:
                await sink.publish(event)
            except SluiceError as exc:
                log.warning("event not published: %s", exc.message, extra={"code": exc.code})
                return None
        return event.id

    sent = [event_id for event_id in await asyncio.gather(*map(send, events)) if event_id is not None]
    if sent:
        await mark(sent)
