"""Who did what, and what could not be delivered."""

import json
from datetime import datetime
from typing import Final

from shared.events.codec import encode_structured
from shared.events.event import CloudEvent, Json
from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("audit")


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
    text = None if detail is None else json.dumps(detail)
    await store.fetch(_SQL["add"], now, caller_id, request_id, action, subject, text)


async def add_dead_letter(
    store: Store, event: CloudEvent, now: datetime, *, destination: str | None = None, status: int | None = None
) -> None:
    body = encode_structured(event).decode()
    await store.fetch(_SQL["add_dead_letter"], body, event.type, event.subject, destination, status, now)
