"""Events that were committed with the change they speak of, until they have left."""

from collections.abc import Sequence
from datetime import datetime

from shared.events.event import CloudEvent
from shared.store.store import Store

GRACE_S = 30.0  # so long the writer itself has to publish, before the sweeper does


async def mark_published(store: Store, event_ids: Sequence[str], now: datetime) -> None:
    """Ids that never were in the outbox (hints are not) are no error."""
    raise NotImplementedError


async def take_overdue(store: Store, now: datetime, limit: int = 100) -> list[CloudEvent]:
    """For the relay. What it takes and does not mark comes back after the grace time."""
    raise NotImplementedError
