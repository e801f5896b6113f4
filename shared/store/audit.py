"""Who did what, and what could not be delivered."""

from datetime import datetime

from shared.events.event import CloudEvent, Json
from shared.store.store import Store


async def add_audit(
    store: Store,
    *,
    caller_id: str,
    action: str,
    now: datetime,
    request_id: str | None = None,
    subject: str | None = None,
    detail: Json = None,
) -> None:
    raise NotImplementedError


async def add_dead_letter(
    store: Store, event: CloudEvent, now: datetime, *, destination: str | None = None, status: int | None = None
) -> None:
    raise NotImplementedError
