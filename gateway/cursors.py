"""Where a listing goes on: opaque to callers, so that it may change."""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from shared.errors import InvalidInput

T = TypeVar("T")


def encode(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode(cursor: str, read: Callable[[str], T]) -> T:
    """`read` makes the position of its text, and raises `ValueError` when it is none."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        return read(text)
    except (ValueError, binascii.Error, OverflowError) as exc:
        raise InvalidInput("cursor_invalid", "this is not a cursor that an answer gave you", field="cursor") from exc


def encode_moment(moment: datetime, row_id: UUID) -> str:
    """For listings by time, newest first: the id decides between those of the same moment."""
    return encode(f"{moment.isoformat()} {row_id}")


def decode_moment(cursor: str) -> tuple[datetime, UUID]:
    return decode(cursor, _moment)


def _moment(text: str) -> tuple[datetime, UUID]:
    time, _, row_id = text.partition(" ")
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC), UUID(row_id)
