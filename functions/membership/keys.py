"""Reads what is asked of keys, and shows them. Values in, values out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.auth.access import DEFAULT_SCOPES, SCOPES
from shared.errors import InvalidInput
from shared.events.event import Json
from shared.store.api_keys import ApiKey

ID_LENGTH: Final = 16
LONGEST_OVERLAP: Final = timedelta(days=7)
_ID: Final = re.compile(r"[0-9a-f]{16}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/-]{0,127}")
_TIER: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key of the caller of this name, who is the same however many keys there are."""

    caller: str
    label: str = ""
    caller_type: str = "user"
    tier: str = "standard"
    scopes: tuple[str, ...] = DEFAULT_SCOPES


def read_new_key(body: Json) -> NewKey:
    """Raises `InvalidInput`, which names the field."""
    given = _object(body, {"caller", "label", "caller_type", "tier", "scopes"})
    return NewKey(
        caller=_fits(given.get("caller"), "caller", _NAME, "a name: letters, digits and . _ @ : / -"),
        label=_label(given.get("label", "")),
        caller_type=_one_of(given.get("caller_type", "user"), "caller_type", ("user", "service")),
        tier=_fits(given.get("tier", "standard"), "tier", _TIER, "a word in small letters"),
        scopes=_scopes(given.get("scopes", list(DEFAULT_SCOPES))),
    )


def read_id(body: Json, *more: str) -> str:
    given = _object(body, {"id", *more})
    return _fits(given.get("id"), "id", _ID, f"the {ID_LENGTH} digits that the list of keys shows")


def read_overlap(body: Json) -> timedelta:
    """How long the old key goes on beside the new one."""
    seconds = _object(body, {"id", "overlap_seconds"}).get("overlap_seconds", 0)
    longest = LONGEST_OVERLAP.total_seconds()
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= longest:
        sentence = f"overlap_seconds is a number from 0 to {longest:.0f}"
        raise InvalidInput("key_request_invalid", sentence, field="overlap_seconds")
    return timedelta(seconds=seconds)


def shown(key: ApiKey) -> dict[str, Json]:
    """Without the key, which nobody has, and without its hash."""
    return {
        "id": key.key_hash[:ID_LENGTH],
        "caller_id": key.caller_id,
        "caller_type": key.caller_type,
        "tier": key.tier,
        "scopes": [*sorted(key.scopes)],
        "label": key.label,
        "created_at": key.created_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }


def _object(body: Json, known: set[str]) -> dict[str, Json]:
    if not isinstance(body, dict):
        raise InvalidInput("key_request_invalid", "send a JSON object")
    if unknown := body.keys() - known:
        sentence = f"there is no such field here; there are: {', '.join(sorted(known))}"
        raise InvalidInput("key_request_invalid", sentence, field=min(unknown)[:64])
    return body


def _fits(value: Json, field: str, pattern: re.Pattern[str], wanted: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidInput("key_request_invalid", f"{field} must be {wanted}", field=field)
    return value


def _label(value: Json) -> str:
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise InvalidInput("key_request_invalid", "label must be a line of at most 200 characters", field="label")
    return value


def _one_of(value: Json, field: str, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidInput("key_request_invalid", f"{field} must be one of {', '.join(allowed)}", field=field)
    return value


def _scopes(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        sentence = f"scopes must be a list of {', '.join(SCOPES)}"
        raise InvalidInput("key_request_invalid", sentence, field="scopes")
    return tuple(sorted({_one_of(one, "scopes", SCOPES) for one in value}))
