"""Who did what: a line in the log at once, a row in the table soon after, and never a secret in either.

Nobody waits for the table, and no request fails by it: rows gather for a moment and are written together. What
cannot be written is kept up to a bound; what is over it is in the log alone.
"""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from shared.auth.context import CallerContext
from shared.errors import Unavailable
from shared.events.event import Json
from shared.store.audit import AuditRow, add_audit_rows
from shared.store.store import Store

Action: TypeAlias = Literal[
    "access.refused",
    "corpus.exported",
    "corpus.grant_ended",
    "corpus.granted",
    "event.received",
    "job.cancelled",
    "job.replayed",
    "job.reported",
    "job.submitted",
    "key.created",
    "key.revoked",
    "key.rotated",
    "route.used",
    "stage.called",
    "webhook.redelivered",
    "webhook.secret_shown",
]
KEPT: Final = 10_000
WAIT_S: Final = 0.2
LAST_TRIES: Final = 3
_LONGEST: Final = 500
# Our keys, credentials in a URL, and what URLs and sentences call secrets.
_SECRETS: Final = (
    (re.compile(r"slk_[\w-]+"), "slk_…"),
    (re.compile(r"//[^/@\s]*@"), "//…@"),
    (re.compile(r"(?i)\b((?:[\w-]*(?:key|token|secret|password|signature)))=[^&\s]+"), r"\1=…"),
)
logger = logging.getLogger(__name__)


def now() -> datetime:
    return datetime.now(UTC)


class Audit:
    """`await close()` writes what is left."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._clock = clock
        self._rows: list[AuditRow] = []
        self._wanted = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    def emit(self, action: Action, caller: CallerContext, *, subject: str | None = None, **detail: Json) -> None:
        """`subject` is what it was done to: an id or a name."""
        told = {name: clean(value) for name, value in detail.items() if value is not None}
        subject = None if subject is None else str(clean(subject))
        row = AuditRow(self._clock(), caller.caller_id, caller.request_id or None, action, subject, json.dumps(told))
        logger.info("audit: %s", action, extra=_fields(row, told))
        if len(self._rows) >= KEPT:
            logger.error("audit row not kept: %d wait already", KEPT, extra={"code": "audit_full"})
            return
        self._rows.append(row)
        self._wanted.set()
        if self._writer is None:
            # It writes for everybody from now on: whose deed was the first is not who its statements are for.
            self._writer = asyncio.create_task(self._write(), name="audit", context=Context())

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        for _ in range(LAST_TRIES):
            if await self._flush():
                return
            await asyncio.sleep(WAIT_S)

    async def _write(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(WAIT_S)
            self._wanted.clear()
            if not await self._flush():
                self._wanted.set()

    async def _flush(self) -> bool:
        rows = self._rows[:KEPT]
        if not rows:
            return True
        try:
            await add_audit_rows(self._store, rows)
        except Unavailable as error:
            logger.warning("audit rows wait: %s", error.message, extra={"code": error.code, "count": len(rows)})
            return False
        del self._rows[: len(rows)]
        return True


def clean(value: Json) -> Json:
    """Without secrets, and not endless."""
    if isinstance(value, str):
        for pattern, instead in _SECRETS:
            value = pattern.sub(instead, value)
        return value.replace("\0", "")[:_LONGEST]
    if isinstance(value, list):
        return [clean(one) for one in value[:100]]
    if isinstance(value, dict):
        return {name: clean(one) for name, one in value.items()}
    return value


def _fields(row: AuditRow, told: Mapping[str, Json]) -> dict[str, object]:
    fields = {"action": row.action, "caller_id": row.caller_id, "subject": row.subject}
    if row.action.startswith("job."):
        fields["job_id"] = row.subject
    return {**fields, "request_id": row.request_id, "detail": told or None}
