"""Events that were committed with the change they speak of, until they have left."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared.contracts.envelope import to_event
from shared.contracts.stages import EmbedRequested, ScrapeRequested, WorkReady
from shared.events.codec import STRUCTURED, decode, encode_structured
from shared.events.event import CloudEvent
from shared.store.outgoing import SOURCE
from shared.store.queries import load
from shared.store.store import Store

if TYPE_CHECKING:
    from shared.store.store import Connection

GRACE_S: Final = 30.0  # so long the writer itself has to publish, before the sweeper does
_SQL: Final = load("outbox")
_STAGE: Final[dict[type[WorkReady], str]] = {ScrapeRequested: "scrape", EmbedRequested: "embed"}


def columns(events: Sequence[CloudEvent]) -> tuple[list[UUID], list[str]]:
    """Ids and texts, as the statements take them."""
    return [UUID(event.id) for event in events], [encode_structured(event).decode() for event in events]


def due_at(now: datetime) -> datetime:
    return now + timedelta(seconds=GRACE_S)


async def note(connection: "Connection", events: Sequence[CloudEvent], now: datetime) -> None:
    """Within the transaction of the change."""
    await connection.execute(_SQL["note"], *columns(events), due_at(now))


async def note_hints(
    connection: "Connection", hints: Sequence[WorkReady], cause: CloudEvent, now: datetime
) -> list[CloudEvent]:
    """Notes that these stages have work, within the transaction that made it."""
    events = [to_event(hint, source=SOURCE, cause=cause, time=now) for hint in hints]
    await note(connection, events, now)
    await connection.execute(_SQL["told"], [f"wake {_STAGE[type(hint)]}" for hint in hints], now)
    return events


async def mark_published(store: Store, event_ids: Sequence[str], now: datetime) -> None:
    """Ids that never were in the outbox (hints are not) are no error."""
    await store.fetch(_SQL["mark_published"], [UUID(event_id) for event_id in event_ids], now)


async def take_overdue(store: Store, now: datetime, limit: int = 100) -> list[CloudEvent]:
    """For the relay. What it takes and does not mark comes back after the grace time."""
    rows = await store.fetch(_SQL["take_overdue"], now, limit, due_at(now))
    return [decode({"content-type": STRUCTURED}, row["event"].encode()) for row in rows]
