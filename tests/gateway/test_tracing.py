"""The span of a request, and of what the gateway asks others for it: whose child, how it ended, in known words."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from starlette.requests import Request
from starlette.responses import Response

from gateway.app import Route
from gateway.http_triggers import BODY_BYTES
from observe.vocabulary import strangers
from shared.ratelimit.settings import LimitSettings
from shared.store.store import Store
from tests.fakes.telemetry import Recorded, parent_id, recording, span_id, trace_id
from tests.gateway.conftest import ALICE, Behind, gateway_on, insert_job
from tests.local_http import until

JOBS = "/api/orchestrator/jobs"
TRACE, CALLER = "5" * 32, "6" * 16
ASKED = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-Id": "asked-by-a-test"}
# Words that a caller chose: they stand in no span.
WORD = "zqxw"


@dataclass
class Heard(Behind):
    """What each of them was told of the trace."""

    heard: dict[str, str] = field(default_factory=dict)

    async def __call__(self, request: Request) -> Response:
        self.heard[request.url.path.split("/")[2]] = request.headers.get("traceparent", "")
        return await super().__call__(request)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as made:
        yield made


@asynccontextmanager
async def gateway(database: str, folder: Path, **changed: Any) -> AsyncIterator[tuple[Heard, httpx.AsyncClient]]:
    behind = Heard()
    async with gateway_on(database, folder, behind, **changed) as (_, client):
        yield behind, client


async def span(recorded: Recorded, name: str) -> ReadableSpan:
    """It ends a moment after its answer has arrived."""
    await until(lambda: bool(recorded.named(name)))
    assert {each.name: found for each in recorded.spans() if (found := strangers(each.attributes or {}))} == {}
    assert WORD not in repr([each.to_json() for each in recorded.spans()])
    return recorded.one(name)


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_request_goes_on_with_the_trace_of_its_caller_and_hands_it_on(
    database: str, store: Store, tmp_path: Path, recorded: Recorded
) -> None:
    job_id = await insert_job(store, ALICE, ["pending"])
    async with gateway(database, tmp_path) as (behind, client):
        answer = await client.get(f"{JOBS}/{job_id}?{WORD}={WORD}", headers=ASKED)
        assert answer.status_code == 200
        request = await span(recorded, f"GET {JOBS}/{{job_id}}")
    assert (trace_id(request), parent_id(request), request.kind) == (TRACE, CALLER, SpanKind.SERVER)
    assert request.status.status_code is StatusCode.UNSET
    assert said(request) == {
        "http.request.method": "GET",
        "http.route": f"{JOBS}/{{job_id}}",
        "http.request_id": "asked-by-a-test",
        "http.response.status_code": 200,
        "request.mode": "sync",
        "caller.type": "user",
        "job.id": str(job_id),
    }
    membership = recorded.one("membership")
    assert (trace_id(membership), parent_id(membership)) == (TRACE, span_id(request))
    assert (membership.kind, said(membership)["http.response.status_code"]) == (SpanKind.CLIENT, 200)
    assert behind.heard["membership"] == f"00-{TRACE}-{span_id(membership)}-01"
    statements = [each for each in recorded.spans() if said(each).get("db.system.name") == "postgresql"]
    assert statements
    assert {(parent_id(each), each.kind) for each in statements} == {(span_id(request), SpanKind.CLIENT)}


async def test_what_was_accepted_travels_on_in_the_trace(database: str, tmp_path: Path, recorded: Recorded) -> None:
    async with gateway(database, tmp_path) as (_, client):
        answer = await client.post(JOBS, json={"url": f"https://example.org/{WORD}"}, headers=ASKED)
        assert answer.status_code == 202
        request = await span(recorded, f"POST {JOBS}")
    assert (said(request)["request.mode"], said(request)["job.id"]) == ("async", answer.json()["job_id"])
    publish = recorded.one("publish job.submitted")
    assert (trace_id(publish), parent_id(publish), publish.kind) == (TRACE, span_id(request), SpanKind.PRODUCER)
    assert said(publish)["messaging.operation.type"] == "send"


async def test_a_call_that_nobody_answers_in_time_is_marked_where_it_was_waited_for(
    database: str, tmp_path: Path, recorded: Recorded
) -> None:
    never = asyncio.Event()

    async def hang() -> Response:
        await asyncio.wait_for(never.wait(), 20)
        return Response()

    async with gateway(database, tmp_path, sync_timeout_s=0.2) as (behind, client):
        behind.stage_answer = hang
        assert (await client.post("/api/chunking/chunk", json={"text": WORD}, headers=ASKED)).status_code == 504
        never.set()
        request = await span(recorded, "POST /api/chunking/chunk")
    assert (request.status.status_code, said(request)["error.type"]) == (StatusCode.ERROR, "504")
    call = recorded.one("call chunk")
    assert (parent_id(call), call.kind) == (span_id(request), SpanKind.CLIENT)
    assert (call.status.status_code, said(call)["error.type"]) == (StatusCode.ERROR, "sync_timeout")
    assert behind.heard["chunk"] == f"00-{TRACE}-{span_id(call)}-01"


@pytest.mark.parametrize(
    ("method", "path", "asked", "status", "name"),
    [
        ("GET", JOBS, {"headers": {"X-API-Key": f"slk_{WORD}"}}, 401, f"GET {JOBS}"),
        ("POST", JOBS, {"json": {WORD: WORD}}, 422, f"POST {JOBS}"),
        ("GET", f"/{WORD}?{WORD}", {}, 404, "GET"),
        ("PROPFIND", JOBS, {}, 405, f"other {JOBS}"),
        ("POST", "/events", {"content": b"x" * (BODY_BYTES + 1)}, 413, "POST"),
    ],
)
async def test_who_is_refused_has_made_no_error_of_ours(
    *, database: str, tmp_path: Path, recorded: Recorded, method: str, path: str, asked: Any, status: int, name: str
) -> None:
    async with gateway(database, tmp_path) as (_, client):
        assert (await client.request(method, path, **asked)).status_code == status
        request = await span(recorded, name)
    assert (request.status.status_code, request.parent) == (StatusCode.UNSET, None)
    assert said(request)["http.response.status_code"] == status
    assert said(request).get("http.route") == (JOBS if JOBS in name else None)
    assert said(request)["request.mode"] == ("async" if status in (405, 422) else "sync"), "by its route"
    assert "error.type" not in said(request)


async def test_membership_that_does_not_answer_is_an_error_of_both(
    database: str, tmp_path: Path, recorded: Recorded
) -> None:
    async with gateway(database, tmp_path) as (behind, client):
        behind.broken.add("membership")
        assert (await client.get(JOBS)).status_code == 503
        request = await span(recorded, f"GET {JOBS}")
    assert (request.status.status_code, said(request)["error.type"]) == (StatusCode.ERROR, "503")
    membership = recorded.one("membership")
    assert (membership.status.status_code, said(membership)["error.type"]) == (
        StatusCode.ERROR,
        "membership_unavailable",
    )
    assert said(membership)["http.response.status_code"] == 503
    assert "caller.type" not in said(request), "nobody knows who it was"


async def test_a_bug_is_an_error_and_says_no_more_than_its_status(
    database: str, tmp_path: Path, recorded: Recorded
) -> None:
    async def broken() -> None:
        raise RuntimeError(WORD)

    route = Route("GET", "/api/broken", broken, public=True)
    async with gateway(database, tmp_path, routes=[route]) as (_, client):
        assert (await client.get("/api/broken")).status_code == 500
        request = await span(recorded, "GET /api/broken")
    assert (request.status.status_code, said(request)["error.type"]) == (StatusCode.ERROR, "500")


async def test_who_has_spent_its_window_is_refused_by_a_look_at_redis(
    database: str, redis_url: str, tmp_path: Path, recorded: Recorded
) -> None:
    limits = LimitSettings(redis_url, {"standard": 1}, capacity=1000)
    async with gateway(database, tmp_path, limits=limits) as (_, client):
        assert [(await client.get(JOBS)).status_code for _ in range(2)] == [200, 429]
        await until(lambda: len(recorded.named(f"GET {JOBS}")) == 2)
    let_in, refused = recorded.named(f"GET {JOBS}")
    assert [each.status.status_code for each in (let_in, refused)] == [StatusCode.UNSET] * 2
    assert said(refused)["http.response.status_code"] == 429
    looks = recorded.named("redis EVALSHA")
    assert [parent_id(look) for look in looks] == [span_id(let_in), span_id(refused)]
    assert [said(look) for look in looks] == [{"db.system.name": "redis", "db.operation.name": "EVALSHA"}] * 2
    assert {look.kind for look in looks} == {SpanKind.CLIENT}
    assert len(recorded.named("membership")) == 1, "the second time the key was known"


async def test_probes_are_no_spans_and_what_a_caller_keeps_nothing_of_is_only_handed_on(
    database: str, tmp_path: Path, recorded: Recorded
) -> None:
    async with gateway(database, tmp_path) as (behind, client):
        for path in ("/health", "/ready", "/metrics"):
            assert (await client.get(path, headers=ASKED)).status_code == 200
        unkept = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
        assert (await client.get(JOBS, headers=unkept)).status_code == 200
        assert behind.heard["membership"] == unkept["traceparent"]
    assert recorded.spans() == ()
