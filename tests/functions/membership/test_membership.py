"""`POST /auth` against a real database, and through the client that everybody uses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from functions.membership.core import identity, stored_form
from functions.membership.handler import Resources, authenticate
from functions.membership.keys import NewKey
from shared.audit import Audit
from shared.auth.keyed_hash import caller_hash, new_api_key
from shared.auth.membership import Membership, MembershipSettings
from shared.errors import Unauthenticated
from shared.runtime.app import FunctionApp
from shared.runtime.function import Function
from shared.runtime.resources import Resources as RuntimeResources
from shared.store.api_keys import add_api_key, revoke_api_key
from shared.store.store import Store
from tests.local_http import serving

SECRET = b"hash secret"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def address(store: Store) -> AsyncIterator[str]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Resources]:
        yield Resources(store, Audit(store), SECRET)

    function = Function(name="membership", open=opened, routes={("POST", "/auth"): authenticate})
    held = RuntimeResources(function.open)
    async with serving(FunctionApp(function, held)) as url:
        yield url
    await held.close()


async def test_a_stored_key_lets_its_caller_in_and_a_revoked_one_does_not(store: Store, address: str) -> None:
    api_key = new_api_key()
    stored = stored_form(SECRET, api_key, NewKey("local", "first"), NOW)
    assert await add_api_key(store, stored)
    client = Membership(MembershipSettings(address, SECRET))
    caller = await client.authenticate(api_key, "r")
    await client.close()
    assert (caller.caller_id, caller.caller_type, caller.tier) == (caller_hash(SECRET, "local"), "user", "standard")
    assert await revoke_api_key(store, stored.key_hash, NOW)
    client = Membership(MembershipSettings(address, SECRET))
    with pytest.raises(Unauthenticated):
        await client.authenticate(api_key, "r")
    await client.close()


@pytest.mark.parametrize(
    "headers", [{}, {"X-API-Key": ""}, {"X-API-Key": "slk_unknown-key"}, {"X-API-Key": "has space"}]
)
async def test_everything_else_is_refused_in_the_same_words(address: str, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{address}/auth", json={}, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"] == "key_refused"


def test_the_table_holds_no_key() -> None:
    api_key = new_api_key()
    assert api_key not in repr(stored_form(SECRET, api_key, NewKey("local", "x"), NOW))


def test_a_key_counts_until_the_moment_it_is_revoked() -> None:
    key = stored_form(SECRET, "slk_some-key", NewKey("local", "x"), NOW)
    revoked = replace(key, revoked_at=NOW + timedelta(hours=1))
    assert identity(None, NOW) is None
    assert identity(key, NOW) == identity(revoked, NOW)
    assert identity(revoked, NOW + timedelta(hours=1)) is None
