"""Webhooks: what is due to be sent, what came of each try, and what a caller may see of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from shared.contracts.jobs import WebhookRedeliveryRequested
from shared.events.event import CloudEvent
from shared.store.jobs import received
from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("webhooks")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One to be tried now, for the `attempt`-th time. `event` is a structured CloudEvent, and has the delivery's id;
    `traceparent` is that of the request for the job."""

    id: UUID
    caller_id: str
    job_id: UUID
    url: str
    event: str
    attempt: int
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try. No `status`: nobody answered, and `error` says why. Without `next_at` it was the last one."""

    delivered: bool
    seconds: float
    status: int | None = None
    error: str | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    attempt: int
    at: datetime
    seconds: float
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    id: UUID
    job_id: UUID
    url: str
    type: str
    state: str
    attempt: int
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    attempts: Sequence[AttemptView]


async def take_due(store: Store, now: datetime, limit: int, hold_s: float) -> list[Delivery]:
    """For the sender, which has `hold_s` to say what came of each: after that they are due again."""
    rows = await store.fetch(_SQL["take_due"], now, limit, now + timedelta(seconds=hold_s))
    return [Delivery(**row) for row in rows]


async def record(store: Store, delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    state = "delivered" if outcome.delivered else "pending" if outcome.next_at else "failed"
    tried = (delivery.id, delivery.attempt, now, outcome.seconds, outcome.status, outcome.error)
    await store.fetch(_SQL["record"], *tried, state, outcome.next_at)


async def redeliver(store: Store, event: CloudEvent, payload: WebhookRedeliveryRequested, now: datetime) -> None:
    """Due at once, with all its tries before it, whether it had been delivered or not."""
    async with store.transaction() as connection:
        if await received(connection, event, now):
            await connection.execute(_SQL["redeliver"], payload.delivery_id, payload.caller_id, now)


async def list_deliveries(
    store: Store,
    caller_id: str,
    *,
    job_id: UUID | None = None,
    state: str | None = None,
    limit: int = 50,
    after: tuple[datetime, UUID] | None = None,
) -> list[DeliveryView]:
    """Newest first."""
    rows = await store.fetch(_SQL["list"], caller_id, job_id, state, *(after or (None, None)), limit)
    return [_view(dict(row)) for row in rows]


async def get_delivery(store: Store, caller_id: str, delivery_id: UUID) -> DeliveryView | None:
    row = await store.fetch_row(_SQL["get"], caller_id, delivery_id)
    return _view(dict(row)) if row else None


def _view(row: dict[str, Any]) -> DeliveryView:
    tries = [
        AttemptView(**one | {"at": datetime.fromisoformat(one["at"])})
        for one in json.loads(row.pop("attempts") or "[]")
    ]
    del row["caller_id"]
    return DeliveryView(attempts=tries, **row)
