"""Query parameters of numbers and times, taken only as they are promised: pydantic alone would read more into them."""

import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_WHOLE = re.compile(r"-?[0-9]+")


def _moment(value: object) -> object:
    """A bare number would be seconds since 1970."""
    if not isinstance(value, str):
        return value
    if not _RFC_3339.fullmatch(value):
        raise ValueError("must be a date and a time with its zone, as 2026-02-03T10:15:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("is out of range") from exc


def _whole(value: object) -> object:
    """`5.0` and `1_000` would be numbers too."""
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError("must be a whole number, in digits alone")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Whole = Annotated[int, BeforeValidator(_whole)]
Limit = Annotated[Whole, Query(ge=1, le=500, description="how many at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
