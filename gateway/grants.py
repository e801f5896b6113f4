"""Grants: a caller lets another one see a corpus of its own, or hand in URLs for it.

Whoever received a grant names the corpus by its id, wherever a corpus is named.
"""

from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Path, Request
from pydantic import BaseModel, ConfigDict

from gateway import cursors
from gateway.corpora import Name
from gateway.parameters import Cursor, Limit
from gateway.resources import Caller, Opened, Resources
from shared.auth.context import CallerContext
from shared.errors import InvalidInput, NotFound
from shared.store import grants as store
from shared.store.grants import GrantAccess

GRANTS = "/api/corpora/{corpus}/grants"
RECEIVED = "/api/corpus-grants"

Grantee = Annotated[
    str, Path(pattern=r"^[0-9a-f]{64}$", description="who: `caller_id`, as `sluice keys list --json` shows it")
]


class GrantRequest(BaseModel):
    """`read`: look, search, export. `write`: hand in URLs, too."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"access": "read"}]})

    access: GrantAccess


class Grant(BaseModel):
    """What `caller_id` may do with the corpus, by its id."""

    corpus_id: UUID
    caller_id: str
    access: GrantAccess
    granted_at: datetime

    @classmethod
    def of(cls, grant: store.Grant) -> Self:
        return cls.model_validate(grant, from_attributes=True)


class GrantPage(BaseModel):
    """By caller; `next` is the cursor of the page after this one."""

    grants: list[Grant]
    next: str | None


class ReceivedGrant(BaseModel):
    """`name` is what `owner` calls the corpus; you call it `corpus_id`."""

    corpus_id: UUID
    name: str
    owner: str
    access: GrantAccess
    granted_at: datetime


class ReceivedPage(BaseModel):
    """By corpus; `next` is the cursor of the page after this one."""

    grants: list[ReceivedGrant]
    next: str | None


async def give(
    corpus: Name, caller_id: Grantee, body: GrantRequest, request: Request, caller: Caller, resources: Opened
) -> Grant:
    """Lets another caller in, from its next request on; instead of what it could do before."""
    found = await _grantable(resources, caller, corpus)
    if caller_id == found.caller_id:
        raise InvalidInput("grant_to_owner", "the corpus is this caller's own", field="caller_id")
    given = await store.grant(resources.store, found.id, caller_id, body.access, datetime.now(UTC))
    request.state.told = {"corpus_id": str(found.id), "access": given.access}
    return Grant.of(given)


async def take_back(corpus: Name, caller_id: Grantee, request: Request, caller: Caller, resources: Opened) -> Grant:
    """Ends a grant with the next request; jobs that were accepted before go on. Answers with what it was."""
    found = await _grantable(resources, caller, corpus)
    ended = await store.revoke(resources.store, found.id, caller_id)
    if ended is None:
        raise NotFound("grant_not_found", "this caller has no grant on this corpus", field="caller_id")
    request.state.told = {"corpus_id": str(found.id), "access": ended.access}
    return Grant.of(ended)


async def list_given(
    corpus: Name, caller: Caller, resources: Opened, limit: Limit = 100, cursor: Cursor = None
) -> GrantPage:
    """Who else may do what with the corpus."""
    found = await _grantable(resources, caller, corpus)
    after = "" if cursor is None else cursors.decode(cursor, _caller_id)
    grants = await store.list_given(resources.store, found.id, limit=limit + 1, after=after)
    page = grants[:limit]
    more = cursors.encode(page[-1].caller_id) if len(grants) > limit else None
    return GrantPage(grants=[Grant.of(one) for one in page], next=more)


async def list_received(caller: Caller, resources: Opened, limit: Limit = 100, cursor: Cursor = None) -> ReceivedPage:
    """The corpora of others that the caller may use."""
    after = None if cursor is None else cursors.decode(cursor, UUID)
    grants = await store.list_received(resources.store, caller.caller_id, limit=limit + 1, after=after)
    page = [ReceivedGrant.model_validate(one, from_attributes=True) for one in grants[:limit]]
    more = cursors.encode(str(page[-1].corpus_id)) if len(grants) > limit else None
    return ReceivedPage(grants=page, next=more)


async def _grantable(resources: Resources, caller: CallerContext, corpus: str) -> store.Grantable:
    """The owner decides, and whoever has the scope `admin`."""
    any_owner = "admin" in caller.scopes
    found = await store.find_grantable(resources.store, caller.caller_id, corpus, any_owner=any_owner)
    if found is None:
        raise NotFound("corpus_not_found", "there is no such corpus, or it is not yours", field="corpus")
    return found


def _caller_id(text: str) -> str:
    if len(text) != 64 or not text.isascii():
        raise ValueError(text)
    return text
