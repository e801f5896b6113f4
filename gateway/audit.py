"""What was done here, for whoever did it; for everybody to see with the scope `admin`."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, BeforeValidator

from gateway.resources import Caller, Opened
from shared.store.audit import AuditFilter, list_audit

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$", re.IGNORECASE)


def _moment(text: object) -> object:
    """RFC 3339, as the schema says; pydantic alone would also take a number of seconds."""
    if not isinstance(text, str) or not _RFC_3339.match(text):
        raise ValueError("must be a date and time with a zone, as 2026-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("is out of range") from exc


Text = Annotated[str | None, Query(max_length=200)]


class AuditEntry(BaseModel):
    """`subject` is what it was done to."""

    id: int
    at: datetime
    caller_id: str
    request_id: str | None
    action: str
    subject: str | None
    detail: dict[str, Any]


class AuditPage(BaseModel):
    """The oldest first. `last` goes into `after`, to hear of what comes next."""

    entries: list[AuditEntry]
    last: int | None


async def audit(
    caller: Caller,
    resources: Opened,
    caller_id: Text = None,
    action: Annotated[
        str | None, Query(max_length=64, description="one, or with a dot at its end all of a kind")
    ] = None,
    subject: Text = None,
    request_id: Text = None,
    since: Annotated[datetime | None, BeforeValidator(_moment)] = None,
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AuditPage:
    """The newest entries that match; with `after`, the first ones after that."""
    whose = caller_id if "admin" in caller.scopes else caller.caller_id
    matching = AuditFilter(whose, action, subject, request_id, since, after)
    found = [] if _of_another(caller, caller_id) else await list_audit(resources.store, matching, limit)
    entries = [AuditEntry.model_validate(entry, from_attributes=True) for entry in found]
    return AuditPage(entries=entries, last=entries[-1].id if entries else after)


def _of_another(caller: Caller, caller_id: str | None) -> bool:
    return "admin" not in caller.scopes and caller_id not in (None, caller.caller_id)
