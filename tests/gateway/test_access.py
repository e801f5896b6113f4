"""Every route is guarded, and says by what."""

import re

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway.admission import Guarded
from gateway.app import routed, table
from tests.gateway.conftest import World, problem

# Whoever adds to these lists opens a door to everybody.
PUBLIC = {"/health", "/ready", "/metrics"}
NOT_OURS = {"/openapi.json"}
READING_POSTS = {"/api/embedding/search"}
SECRETS = {"/api/webhooks/secret"}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return routed(table())


def test_no_route_forgets_to_ask_who_is_calling(app: FastAPI) -> None:
    unguarded = {getattr(route, "path", "?") for route in app.routes if not isinstance(route, Guarded)}
    assert unguarded == PUBLIC | NOT_OURS
    assert len([route for route in app.routes if isinstance(route, Guarded)]) >= 8


def test_a_route_that_changes_something_needs_more_than_read(app: FastAPI) -> None:
    for route in app.routes:
        if isinstance(route, Guarded) and route.path not in READING_POSTS | SECRETS:
            assert (route.access == "read") == (route.methods == {"GET"}), route.path


def test_who_may_only_read_is_told_no_secret(app: FastAPI) -> None:
    found = [route for route in app.routes if isinstance(route, Guarded) and route.path in SECRETS]
    assert [(route.access, route.action) for route in found] == [("write", "webhook.secret_shown")]


def test_the_openapi_document_says_which_routes_need_a_key(app: FastAPI) -> None:
    document = app.openapi()
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                asks = "security" in document["paths"][route.path][method.lower()]
                assert asks == isinstance(route, Guarded), route.path


async def test_a_key_may_do_what_its_scopes_say(world: World) -> None:
    paths = [(r.method, re.sub(r"{\w+_id}", "7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d", r.path), r) for r in table()]
    for scopes in (["read"], ["write"], []):
        world.behind.scopes = scopes
        key = f"slk_with-scopes-{'-'.join(scopes)}"
        world.behind.keys[key] = "c" * 64
        for method, path, route in paths:
            if route.public:
                continue
            answer = await world.client.request(method, path, json={}, headers={"X-API-Key": key})
            assert (answer.status_code == 403) == (route.needs() not in scopes), (scopes, method, path)
            if answer.status_code == 403:
                _forbidden(answer)


async def test_a_body_is_not_looked_at_before_the_key_is_known(world: World) -> None:
    answer = await world.client.post("/events", content=b"{not json", headers={"X-API-Key": "slk_of-nobody"})
    assert problem(answer, 401)["code"] == "key_refused"


def _forbidden(answer: httpx.Response) -> None:
    assert problem(answer, 403)["code"] in ("scope_missing", "internal_only")
