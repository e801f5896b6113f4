"""The security walk: what a second caller, nobody, a revoked key and an outsider get of every route.

The table it prints (`pytest -s`) is the whole of the API. A route that is not in the walk fails it.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gateway.app import Route, table
from shared.pipeline.costs import Cost
from shared.store.costs import add_cost
from tests.gateway.conftest import ALICE, World, insert_job

# A body that each route takes: what is refused is refused for who asks, not for what is asked.
BODIES: dict[str, Any] = {
    "/api/orchestrator/jobs": {"url": "https://example.org/"},
    "/api/embedding/search": {"query": "anything"},
    "/api/corpora/{corpus}/grants/{caller_id}": {"access": "write"},
}
QUERIES = {"/api/costs/documents": {"url": "https://example.org/0"}}
REVOKED = "slk_was-good-once"


@dataclass(frozen=True)
class Alices:
    """Things of Alice's, as paths name them."""

    ids: dict[str, str]

    def path(self, route: Route) -> str:
        named = {"caller_id": "c" * 64} | self.ids
        return re.sub(r"{(\w+)}", lambda found: named.get(found[1], self.ids["job_id"]), route.path)


@pytest.fixture
async def alices(world: World) -> Alices:
    job_id = await insert_job(world.store, ALICE, ["failed", "indexed"])
    document_id = await world.store.pool.fetchval("SELECT id FROM documents WHERE job_id = $1 LIMIT 1", job_id)
    corpus = await world.store.pool.fetchval("SELECT name FROM corpora WHERE caller_id = $1", ALICE)
    corpus_id = await world.store.pool.fetchval("SELECT id FROM corpora WHERE caller_id = $1", ALICE)
    async with world.store.transaction() as connection:
        await add_cost(connection, document_id, job_id, corpus_id, ALICE, Cost(attempts=4711), datetime.now(UTC))
    return Alices({"job_id": str(job_id), "document_id": str(document_id), "corpus": corpus})


def guarded() -> list[Route]:
    return [route for route in table() if not route.public]


async def ask(world: World, route: Route, path: str, headers: dict[str, str]) -> httpx.Response:
    body = BODIES.get(route.path, {}) if route.method in ("POST", "PUT", "PATCH") else None
    query = QUERIES.get(route.path)
    return await world.client.request(route.method, path, json=body, params=query, headers=headers)


async def test_a_second_caller_meets_nothing_of_the_first(world: World, alices: Alices) -> None:
    before = await everything(world)
    secrets = {ALICE, "4711", *alices.ids.values()}
    lines = []
    for route in guarded():
        path = alices.path(route)
        theirs = await ask(world, route, path, world.as_bob())
        lines.append(f"{route.method:6} {route.path:58} {route.needs():8} {theirs.status_code}")
        if "{" in route.path:
            assert theirs.status_code in (403, 404), (route.path, theirs.text)
        shown = theirs.text.replace(path, "")
        # Bob's audit tells what Bob asked for himself, refused or not.
        unseen = {ALICE} if route.path == "/api/audit" else secrets
        assert not any(secret in shown for secret in unseen), (route.path, shown)
    print("\n".join(lines))
    assert await everything(world) == before, "nothing of Alice's has changed"


async def test_what_is_not_yours_looks_like_what_is_not_there(world: World, alices: Alices) -> None:
    nothing = Alices(dict.fromkeys(alices.ids, "7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d") | {"corpus": "nothing"})
    for route in guarded():
        if "{" not in route.path or route.needs() == "internal":
            continue
        theirs, absent = [await ask(world, route, of.path(route), world.as_bob()) for of in (alices, nothing)]
        assert [theirs.status_code, _words(theirs)] == [absent.status_code, _words(absent)], route.path


@pytest.mark.parametrize(
    ("key", "code"), [("", "key_missing"), ("slk_of-nobody", "key_refused"), (REVOKED, "key_refused")]
)
async def test_nobody_gets_in_without_a_good_key(world: World, alices: Alices, key: str, code: str) -> None:
    for route in guarded():
        answer = await ask(world, route, alices.path(route), {"X-API-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (401, code), route.path
        assert "www-authenticate" in answer.headers


async def test_internal_routes_are_for_our_services_whatever_a_key_may_do(world: World, alices: Alices) -> None:
    world.behind.scopes = ["read", "write", "admin", "internal"]
    for route in guarded():
        if route.needs() == "internal":
            answer = await ask(world, route, alices.path(route), {})
            assert (answer.status_code, answer.json()["code"]) == (403, "internal_only"), route.path


async def everything(world: World) -> str:
    """All rows of Alice's, as text."""
    tables = ("jobs", "documents", "corpora", "pages", "corpus_grants", "cost_deltas")
    rows = [await world.store.pool.fetch(f"SELECT t::text FROM {name} t ORDER BY 1") for name in tables]
    return json.dumps([[row[0] for row in table if ALICE in row[0] or "c" * 64 in row[0]] for table in rows])


def _words(answer: httpx.Response) -> tuple[str, str]:
    problem = answer.json()
    return problem["code"], problem["detail"]
