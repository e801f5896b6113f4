"""Who may see a corpus of another caller, and who may hand in URLs for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("grants")

GrantAccess: TypeAlias = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Grant:
    """`write` includes `read`."""

    corpus_id: UUID
    caller_id: str
    access: GrantAccess
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """What another caller lets one see. Whoever received it names the corpus by its id."""

    corpus_id: UUID
    name: str
    owner: str
    access: GrantAccess
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Grantable:
    """A corpus, and the caller whose it is."""

    id: UUID
    caller_id: str


async def find_grantable(store: Store, caller_id: str, name: str, *, any_owner: bool) -> Grantable | None:
    """The caller's own corpus, by name or id; any corpus by id, when `any_owner`."""
    row = await store.fetch_row(_SQL["corpus"], caller_id, name, any_owner)
    return Grantable(**row) if row is not None else None


async def grant(store: Store, corpus_id: UUID, caller_id: str, access: GrantAccess, now: datetime) -> Grant:
    """Instead of what was granted before. Holds from the next request on."""
    [row] = await store.fetch(_SQL["grant"], corpus_id, caller_id, access, now)
    return Grant(**row)


async def revoke(store: Store, corpus_id: UUID, caller_id: str) -> Grant | None:
    """What was granted, if anything. Jobs that were accepted before go on."""
    row = await store.fetch_row(_SQL["revoke"], corpus_id, caller_id)
    return Grant(**row) if row is not None else None


async def list_given(store: Store, corpus_id: UUID, *, limit: int, after: str = "") -> list[Grant]:
    """By caller. `after` is the last one seen."""
    return [Grant(**row) for row in await store.fetch(_SQL["given"], corpus_id, after, limit)]


async def list_received(store: Store, caller_id: str, *, limit: int, after: UUID | None = None) -> list[Received]:
    """By corpus. `after` is the last one seen."""
    return [Received(**row) for row in await store.fetch(_SQL["received"], caller_id, after, limit)]
