"""What was done here, for whoever did it; for everybody to see with the scope `admin`."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel

from gateway.parameters import Moment, Whole
from gateway.resources import Caller, Opened
from shared.store.audit import AuditFilter, list_audit

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
    since: Moment | None = None,
    after: Annotated[Whole | None, Query(ge=0, le=2**62)] = None,
    limit: Annotated[Whole, Query(ge=1, le=1000)] = 100,
) -> AuditPage:
    """The newest entries that match; with `after`, the first ones after that."""
    whose = caller_id if "admin" in caller.scopes else caller.caller_id
    matching = AuditFilter(whose, action, subject, request_id, since, after)
    found = [] if _of_another(caller, caller_id) else await list_audit(resources.store, matching, limit)
    entries = [AuditEntry.model_validate(entry, from_attributes=True) for entry in found]
    return AuditPage(entries=entries, last=entries[-1].id if entries else after)


def _of_another(caller: Caller, caller_id: str | None) -> bool:
    return "admin" not in caller.scopes and caller_id not in (None, caller.caller_id)
