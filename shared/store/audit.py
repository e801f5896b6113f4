"""Who did what, and what could not be delivered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.events.codec import encode_structured
from shared.events.event import CloudEvent, Json
from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("audit")


@dataclass(frozen=True, slots=True)
class AuditRow:
    """`detail` is JSON text."""

    at: datetime
    caller_id: str
    request_id: str | None
    action: str
    subject: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: int
    at: datetime
    caller_id: str
    request_id: str | None
    action: str
    subject: str | None
    detail: Json


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """All given conditions must hold. An `action` that ends in a dot stands for all that begin so."""

    caller_id: str | None = None
    action: str | None = None
    subject: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    after: int | None = None


async def add_audit_rows(store: Store, rows: Sequence[AuditRow]) -> None:
    """All of them, or `Unavailable`."""
    columns = [[getattr(row, name) for row in rows] for name in AuditRow.__slots__]
    await store.fetch(_SQL["add_rows"], *columns)


async def list_audit(store: Store, matching: AuditFilter, limit: int) -> list[AuditEntry]:
    """The newest `limit` of those that match or, with `after`, the first `limit` after that id; the oldest first."""
    rows = await store.fetch(_SQL["list" if matching.after is None else "list_after"], *_arguments(matching), limit)
    entries = [AuditEntry(**dict(row) | {"detail": json.loads(row["detail"] or "{}")}) for row in rows]
    return sorted(entries, key=lambda entry: entry.id)


def _arguments(matching: AuditFilter) -> tuple[object, ...]:
    conditions = (matching.caller_id, matching.action, matching.subject, matching.request_id, matching.since)
    return (*conditions, matching.after) if matching.after is not None else conditions


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
