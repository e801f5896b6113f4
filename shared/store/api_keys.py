"""API keys by their keyed hash; the key itself is nowhere."""

from dataclasses import dataclass
from datetime import datetime

from shared.store.store import Store


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
    raise NotImplementedError


async def add_api_key(store: Store, key: ApiKey) -> bool:
    """False when this key is already there; it is left as it is."""
    raise NotImplementedError


async def revoke_api_key(store: Store, key_hash: str, now: datetime) -> bool:
    """False when there is no such key, or it was revoked before."""
    raise NotImplementedError


async def list_api_keys(store: Store, caller_id: str | None = None) -> list[ApiKey]:
    raise NotImplementedError
