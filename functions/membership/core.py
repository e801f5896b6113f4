"""Who a stored key stands for: values in, values out."""

from datetime import datetime

from functions.membership.keys import NewKey
from shared.auth.keyed_hash import caller_hash, key_hash
from shared.events.event import Json
from shared.store.api_keys import ApiKey


def identity(key: ApiKey | None, now: datetime) -> dict[str, Json] | None:
    """The answer of `POST /auth`; None for a key that is not known or no longer good."""
    if key is None or (key.revoked_at is not None and key.revoked_at <= now):
        return None
    return {
        "caller_id": key.caller_id,
        "caller_type": key.caller_type,
        "tier": key.tier,
        "scopes": [*sorted(key.scopes)],
    }


def stored_form(secret: bytes, api_key: str, wanted: NewKey, now: datetime) -> ApiKey:
    """What is kept of a new key of a named caller, who stays the same person when its keys change."""
    return ApiKey(
        key_hash=key_hash(secret, api_key),
        caller_id=caller_hash(secret, wanted.caller),
        caller_type=wanted.caller_type,
        tier=wanted.tier,
        scopes=wanted.scopes,
        label=wanted.label,
        created_at=now,
        revoked_at=None,
    )
