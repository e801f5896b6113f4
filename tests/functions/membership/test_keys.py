"""Keys through their routes: made, listed, ended and replaced, by administrators alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from functions.membership.core import stored_form
from functions.membership.handler import Resources
from functions.membership.keys import NewKey
from functions.membership.main import ROUTES
from shared.audit import Audit
from shared.auth.keyed_hash import caller_hash
from shared.auth.membership import Membership, MembershipSettings
from shared.errors import Unauthenticated
from shared.runtime.app import FunctionApp
from shared.runtime.function import Function
from shared.runtime.resources import Resources as RuntimeResources
from shared.store.api_keys import add_api_key
from shared.store.store import Store
from tests.local_http import serving

SECRET = b"hash secret"
ADMIN, OTHER = "slk_an-administrators-key", "slk_of-somebody-else"


@dataclass
class Clock:
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    store: Store
    address: str
    clock: Clock
    client: httpx.AsyncClient

    async def make(self, **body: Any) -> dict[str, Any]:
        answer = await self.client.post("/keys", json={"caller": "alice", **body})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def status(self, api_key: str) -> int:
        return (await self.client.post("/auth", headers={"X-API-Key": api_key})).status_code


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    clock, audit = Clock(), Audit(store)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Resources]:
        yield Resources(store, audit, SECRET, clock)

    for api_key, scopes in ((ADMIN, ("admin",)), (OTHER, ("read", "write"))):
        await add_api_key(store, stored_form(SECRET, api_key, NewKey("ops", scopes=scopes), clock()))
    held = RuntimeResources(opened)
    function = Function(name="membership", open=opened, routes=ROUTES)
    async with (
        serving(FunctionApp(function, held)) as url,
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": ADMIN}, trust_env=False) as client,
    ):
        yield World(store, url, clock, client)
    await held.close()
    await audit.close()


async def test_a_made_key_lets_its_caller_in_as_it_was_made(world: World) -> None:
    made = await world.make(tier="premium", scopes=["read"], label="laptop", caller_type="service")
    answer = await world.client.post("/auth", headers={"X-API-Key": made["key"]})
    assert answer.json() == {
        "caller_id": caller_hash(SECRET, "alice"),
        "caller_type": "service",
        "tier": "premium",
        "scopes": ["read"],
    }


async def test_a_key_is_shown_once_and_stored_nowhere(world: World) -> None:
    made = await world.make()
    listed = await world.client.get("/keys")
    assert made["id"] in {key["id"] for key in listed.json()["keys"]}
    assert made["key"] not in listed.text
    dump = await world.store.pool.fetchval("SELECT string_agg(k::text, ' ') FROM api_keys k")
    assert made["key"] not in dump
    assert made["id"] in dump


async def test_a_revoked_key_is_refused_at_once_and_by_whoever_had_asked_within_a_minute(world: World) -> None:
    made, at = await world.make(), [1000.0]
    member = Membership(MembershipSettings(world.address, SECRET), clock=lambda: at[0])
    await member.authenticate(made["key"], "r")
    assert (await world.client.post("/keys/revoke", json={"id": made["id"]})).status_code == 200
    assert await world.status(made["key"]) == 401
    at[0] += 59.9
    await member.authenticate(made["key"], "r")  # this is what is promised, and no more
    at[0] += 0.1
    with pytest.raises(Unauthenticated):
        await member.authenticate(made["key"], "r")
    await member.close()


async def test_a_rotated_key_is_the_same_caller_s_and_the_old_one_ends(world: World) -> None:
    old = await world.make(tier="premium", scopes=["read"], label="laptop")
    answer = await world.client.post("/keys/rotate", json={"id": old["id"], "overlap_seconds": 60})
    new = answer.json()
    same = ("caller_id", "tier", "scopes", "label", "caller_type")
    assert [new[name] for name in same] == [old[name] for name in same]
    assert new["key"] != old["key"]
    assert [await world.status(key["key"]) for key in (old, new)] == [200, 200]
    world.clock.now += timedelta(seconds=60)
    assert [await world.status(key["key"]) for key in (old, new)] == [401, 200]
    again = await world.client.post("/keys/rotate", json={"id": old["id"]})
    assert (again.status_code, again.json()["error"]) == (409, "key_revoked")


@pytest.mark.parametrize(("key", "status"), [(OTHER, 403), ("slk_of-nobody-at-all", 401), ("", 401)])
async def test_only_administrators_see_or_change_keys(world: World, key: str, status: int) -> None:
    before = (await world.client.get("/keys")).json()
    for method, path in (("POST", "/keys"), ("GET", "/keys"), ("POST", "/keys/revoke"), ("POST", "/keys/rotate")):
        answer = await world.client.request(method, path, json={}, headers={"X-API-Key": key})
        assert answer.status_code == status
    assert (await world.client.get("/keys")).json() == before


async def test_an_administrator_does_not_lock_itself_out(world: World) -> None:
    keys = (await world.client.get("/keys")).json()["keys"]
    [own] = [key["id"] for key in keys if key["scopes"] == ["admin"]]
    answer = await world.client.post("/keys/revoke", json={"id": own})
    assert (answer.status_code, answer.json()["error"]) == (409, "key_in_use")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/keys", {}, "caller"),
        ("/keys", {"caller": "a\nb"}, "caller"),
        ("/keys", {"caller": "a", "scopes": ["everything"]}, "scopes"),
        ("/keys", {"caller": "a", "scopes": []}, "scopes"),
        ("/keys", {"caller": "a", "tier": "Gold!"}, "tier"),
        ("/keys", {"caller": "a", "caller_type": "god"}, "caller_type"),
        ("/keys", {"caller": "a", "label": "x" * 201}, "label"),
        ("/keys", {"caller": "a", "more": 1}, "more"),
        ("/keys/revoke", {"id": "short"}, "id"),
        ("/keys/rotate", {"id": "0" * 16, "overlap_seconds": -1}, "overlap_seconds"),
        ("/keys/rotate", {"id": "0" * 16, "overlap_seconds": True}, "overlap_seconds"),
    ],
)
async def test_a_bad_request_names_its_field(world: World, path: str, body: Any, field: str) -> None:
    answer = await world.client.post(path, json=body)
    expected = 404 if path == "/keys/rotate" and field == "id" else 400
    if path == "/keys/rotate":
        body["id"] = (await world.make())["id"]
        answer = await world.client.post(path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (expected, field)


async def test_a_key_that_is_not_there_is_not_found(world: World) -> None:
    for path in ("/keys/revoke", "/keys/rotate"):
        assert (await world.client.post(path, json={"id": "0" * 16})).status_code == 404
