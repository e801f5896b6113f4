"""What holds for every route: keys, ids, problems, counts."""

import asyncio
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.edge import Contained, RequestId
from gateway.problems import on_bug
from observe.logs import JsonFormatter
from shared.auth.membership import MembershipSettings
from shared.store.store import Store
from tests.gateway.conftest import ALICE, World, gateway_on, problem
from tests.local_http import asgi, serving
from tests.numbers import OPEN_METRICS, numbers

SEARCH = "/api/embedding/search"
JSON = {"content-type": "application/json"}


async def test_nobody_gets_in_without_a_key(world: World) -> None:
    document = (await world.client.get("/openapi.json")).json()
    walked = 0
    for path, operations in document["paths"].items():
        for method in operations.keys() - {"parameters"}:
            if path in ("/health", "/ready"):
                continue
            walked += 1
            url = path.replace("{job_id}", "7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d")
            for headers, code in (({"X-API-Key": ""}, "key_missing"), ({"X-API-Key": "slk_of-nobody"}, "key_refused")):
                answer = await world.client.request(method, url, json={}, headers=headers)
                assert problem(answer, 401)["code"] == code, (method, path)
                assert "www-authenticate" in answer.headers
    assert walked >= 8


async def test_membership_down_is_a_503_that_says_when_to_come_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.problems")
    world.behind.broken.add("membership")
    answer = await world.client.get("/api/orchestrator/jobs")
    request_id = problem(answer, 503)["request_id"]
    [line] = [
        json.loads(JsonFormatter("gateway").format(record)) for record in caplog.records if "failed" in record.msg
    ]
    assert (line["action"], line["code"], line["request_id"]) == (
        "request_failed",
        "membership_unavailable",
        request_id,
    )
    assert int(answer.headers["retry-after"]) > 0


@dataclass
class Moody:
    """A Membership that says what `mood` is; without one it never comes to an answer."""

    mood: Response | None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: Request) -> Response:
        if self.mood is None:
            await self.over.wait()
        return self.mood or Response(status_code=503)


GOOD = {"caller_id": ALICE, "caller_type": "user", "scopes": ["read", "write"]}
LIES = (
    JSONResponse({}),
    JSONResponse(GOOD | {"caller_id": "not an id\n"}),
    JSONResponse(GOOD | {"scopes": "admin"}),
    Response("<html>welcome</html>", media_type="text/html"),
    Response(status_code=302, headers={"location": "/elsewhere"}),
)


@pytest.mark.parametrize("mood", [None, *LIES], ids=["slow", "empty", "no-id", "no-scopes", "a-page", "elsewhere"])
async def test_membership_slow_or_lying_is_a_503_and_nothing_needs_a_restart_afterwards(
    database: str, tmp_path: Path, mood: Response | None
) -> None:
    moody = Moody(mood)
    async with serving(asgi(moody)) as url:
        settings = MembershipSettings(url, b"hash secret", timeout_s=0.5)
        async with gateway_on(database, tmp_path, membership=settings) as (_, client):
            answer = await client.get("/api/orchestrator/jobs")
            assert problem(answer, 503)["code"] in ("membership_unavailable", "membership_invalid")
            assert int(answer.headers["retry-after"]) > 0
            moody.mood = JSONResponse(GOOD)
            moody.over.set()
            again = await client.get("/api/orchestrator/jobs")
            assert again.status_code == 200


async def test_a_request_id_is_kept_or_made(world: World) -> None:
    kept = await world.client.get("/health", headers={"X-Request-Id": "from-the-edge.1"})
    assert kept.headers["x-request-id"] == "from-the-edge.1"
    for bad in ("has space", "x" * 129, '"><script>'):
        made = await world.client.get("/health", headers={"X-Request-Id": bad})
        assert made.headers["x-request-id"] not in ("", bad)


async def test_unknown_paths_and_methods_are_problems(world: World) -> None:
    problem(await world.client.get("/api/nothing"), 404)
    answer = await world.client.delete("/health")
    problem(answer, 405)
    assert answer.headers["allow"] == "GET"
    assert problem(await world.client.get("/api/orchestrator/jobs/not-a-uuid"), 422)["field"] == "job_id"


async def test_health_readiness_and_metrics(world: World) -> None:
    assert (await world.client.get("/health")).json() == {"status": "ok"}
    assert (await world.client.get("/ready")).json() == {"status": "ready"}
    await world.client.get("/api/anything-at-all")
    answer = await world.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert numbers(answer.text)("sluice_gateway_requests_total", method="GET", route="/health", status="200") >= 1
    assert numbers(answer.text)("sluice_gateway_requests_total", route="unmatched", status="404") >= 1
    assert "anything-at-all" not in answer.text
    as_open = await world.client.get("/metrics", headers={"accept": OPEN_METRICS})
    assert as_open.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert numbers(as_open.text)("sluice_gateway_requests_in_flight") == 1


async def test_the_openapi_document_knows_problems_and_keys(world: World) -> None:
    document = (await world.client.get("/openapi.json")).json()
    submit = document["paths"]["/api/orchestrator/jobs"]["post"]
    assert submit["security"] == [{"APIKeyHeader": []}]
    assert "application/problem+json" in submit["responses"]["422"]["content"]
    assert "request_id" in document["components"]["schemas"]["Problem"]["properties"]
    assert "$defs" not in document["components"]["schemas"]["Problem"]


async def test_a_search_goes_to_the_function_with_the_callers_own_key(world: World) -> None:
    hit = {"url": "https://e/", "title": None, "score": 0.5, "text": "t", "ordinal": 0, "start": 0, "end": 1}
    world.behind.search_answer = JSONResponse({"results": [hit]})
    answer = await world.client.post(SEARCH, json={"query": "leases", "corpus": "handbook", "k": 3})
    assert answer.json() == {"results": [hit]}
    assert world.behind.searches == [("slk_alice-key", {"query": "leases", "corpus": "handbook", "k": 3})]


async def test_what_search_says_becomes_a_problem(world: World) -> None:
    not_found = {"error": "corpus_not_found", "message": "no such corpus", "field": "corpus"}
    cases: list[tuple[Response, int, str]] = [
        (JSONResponse(not_found, 404), 404, "corpus_not_found"),
        (JSONResponse({"error": "query_too_long", "message": "m"}, 413), 413, "query_too_long"),
        (JSONResponse({"error": "busy", "message": "m"}, 429, {"retry-after": "7"}), 429, "busy"),
        (JSONResponse({"error": "embedding_unavailable", "message": "m"}, 503), 503, "embedding_unavailable"),
        (JSONResponse({"error": "x", "message": "m"}, 500), 503, "search_unavailable"),
        (Response("<html>", 502), 503, "search_unavailable"),
        (JSONResponse({"results": [{"nonsense": 1}]}), 503, "search_unavailable"),
        (JSONResponse([]), 503, "search_unavailable"),
    ]
    for answer, status, code in cases:
        world.behind.search_answer = answer
        given = await world.client.post(SEARCH, json={"query": "q"})
        assert problem(given, status)["code"] == code
        assert status != 429 or given.headers["retry-after"] == "7"


async def test_a_bad_search_is_refused_before_it_costs_anything(world: World) -> None:
    cases: list[tuple[object, str]] = [
        ({"query": ""}, "query"),
        ({"query": "q", "k": 0}, "k"),
        ({"query": "q", "k": True}, "k"),
        ({"query": "q", "k": "5"}, "k"),
        ({"query": "q", "corpus": "?"}, "corpus"),
        ({"query": "q", "filter": {"language": float("nan")}}, "filter"),
        ({"query": "q", "filter": {"language": "\ud800"}}, "filter"),
        ({"query": "q", "filter": {"\ud800": "en"}}, "filter"),
        ({"query": "q", "filter": {"language": _nested(500)}}, "filter"),
    ]
    for body, at_fault in cases:
        answer = await world.client.post(SEARCH, content=json.dumps(body), headers=JSON)
        assert problem(answer, 422)["field"] == at_fault
    assert world.behind.searches == []


def _nested(depth: int) -> list[object]:
    nested: list[object] = []
    for _ in range(depth):
        nested = [nested]
    return nested


async def test_a_bug_costs_its_own_request_only(caplog: pytest.LogCaptureFixture) -> None:
    """A server closes the connection under an application that raises, and with it what comes next."""

    async def broken(_: Request) -> Response:
        raise ZeroDivisionError

    app = FastAPI(routes=[Route("/", broken)], exception_handlers={Exception: on_bug})
    async with serving(RequestId(Contained(app))) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        first, again = [await client.get("/") for _ in range(2)]
        assert problem(again, 500)["code"] == "internal_error"
        assert first.extensions["network_stream"] is again.extensions["network_stream"]
    logged = [record for record in caplog.records if record.exc_info]
    assert [vars(record)["request_id"] for record in logged] == [
        answer.headers["x-request-id"] for answer in (first, again)
    ]


async def test_the_key_is_in_no_answer(world: World) -> None:
    answers: list[httpx.Response] = [
        await world.client.get("/api/orchestrator/jobs"),
        await world.client.post(SEARCH, json={}),
        await world.client.get("/metrics"),
    ]
    assert not any("slk_alice-key" in answer.text for answer in answers)


async def test_postgres_away_is_a_503_and_nothing_needs_a_restart_afterwards(
    database: str, store: Store, tmp_path: Path
) -> None:
    parts = urlsplit(database)
    real = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    door = tmp_path / ".s.PGSQL.5432"
    door.symlink_to(real)
    async with gateway_on(urlunsplit(parts._replace(query=f"host={tmp_path}")), tmp_path) as (_, client):
        assert (await client.get("/ready")).status_code == 200
        door.unlink()
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        await store.pool.execute(f"{others} AND pid <> pg_backend_pid()")
        for path in ("/ready", "/api/orchestrator/jobs"):
            answer = await client.get(path)
            assert problem(answer, 503)["code"] == "database_unavailable"
            assert answer.headers["retry-after"]
        told = numbers((await client.get("/metrics")).text)
        assert not told.labels("sluice_documents")
        assert told("sluice_platform_read_seconds_count", source="postgres", outcome="failed") >= 1
        door.symlink_to(real)
        assert (await client.get("/ready")).status_code == 200
