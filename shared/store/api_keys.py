"""API keys by their keyed hash; the key itself is nowhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.store.queries import load
from shared.store.store import Row, Store

_SQL: Final = load("api_keys")


@dataclass(frozen=True, slots=True)
class ApiKey:
    key_hash: str
    caller_id: str
    caller_type: str
    tier: str
    scopes: tuple[str, ...]
    label: str
    created_at: datetime
    revoked_at: datetime | None


async def find_api_key(store: Store, key_hash: str) -> ApiKey | None:
    """Also a revoked one: the caller of this function looks at `revoked_at`."""
    row = await store.fetch_row(_SQL["find"], key_hash)
    return _key(row) if row else None


async def find_by_id(store: Store, key_id: str) -> ApiKey | None:
    """By the first 16 digits of its hash, as people name it."""
    row = await store.fetch_row(_SQL["find_by_id"], key_id)
    return _key(row) if row else None


async def add_api_key(store: Store, key: ApiKey) -> bool:
    """False when this key is already there; it is left as it is."""
    identity = (key.key_hash, key.caller_id, key.caller_type, key.tier, list(key.scopes), key.label)
    return bool(await store.fetch(_SQL["add"], *identity, key.created_at, key.revoked_at))


async def revoke_api_key(store: Store, key_hash: str, now: datetime) -> bool:
    """False when there is no such key, or it ends before `now` already."""
    return bool(await store.fetch(_SQL["revoke"], key_hash, now))


async def list_api_keys(store: Store, caller_id: str | None = None) -> list[ApiKey]:
    return [_key(row) for row in await store.fetch(_SQL["list"], caller_id)]


def _key(row: "Row") -> ApiKey:
    return ApiKey(**dict(row) | {"scopes": tuple(row["scopes"])})
