"""What no client library would send, to every route that takes a body, and to the server below them."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from gateway.app import routed, table
from gateway.edge import BodyLimit, RequestId
from gateway.problems import install
from tests.gateway.conftest import World, problem
from tests.gateway.whole import whole_gateway
from tests.local_http import serving

JOBS = "/api/orchestrator/jobs"
ID = "7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d"
JSON = {"content-type": "application/json"}
POSTS = [
    path.replace("{job_id}", ID).replace("{delivery_id}", ID)
    for path, item in routed(table()).openapi()["paths"].items()
    if "requestBody" in item.get("post", {})
]
BODIES = {
    "cut off": b'{"url": "https://example.org/',
    "nested": b'{"url": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "not UTF-8": b'{"url": "\xff\xfe\xc3("}',
    "no object": b"[]",
    "empty": b"",
    "a null character": b'{"url": "https://example.org/\\u0000", "text": "\\u0000", "texts": ["\\u0000"]}',
    "half a character": b'{"url": "\\ud800", "text": "\\ud800", "texts": ["\\ud800"], "query": "\\ud800"}',
}


def test_there_are_routes_to_try() -> None:
    assert len(POSTS) > 8


async def test_a_bad_body_is_the_callers_fault_and_is_not_repeated(database: str, tmp_path: Path) -> None:
    async with whole_gateway(database, tmp_path) as client:
        for path in POSTS:
            for name, body in BODIES.items():
                answer = await client.post(path, content=body, headers=JSON, timeout=60)
                assert answer.status_code < 500, (path, name, answer.text)
                if answer.status_code >= 400:
                    assert "example.org" not in json.dumps(problem(answer, answer.status_code)), (path, name)


async def test_a_huge_body_is_refused_before_it_is_read(world: World) -> None:
    for path in POSTS:
        announced = b"POST %s HTTP/1.1\r\nHost: g\r\nX-API-Key: slk_alice-key\r\nContent-Length: 99999999\r\n\r\n"
        answer = await raw(world.client, announced % path.encode())
        assert b" 413 " in answer.partition(b"\r\n")[0], path


async def test_a_header_that_is_there_twice_is_refused(world: World) -> None:
    for name in ("X-API-Key", "Idempotency-Key", "X-Request-Id", "Content-Type"):
        headers = [("X-API-Key", "slk_alice-key")] * (name != "X-API-Key") + [(name, "a"), (name, "b")]
        async with httpx.AsyncClient(base_url=world.client.base_url, trust_env=False) as client:
            said = problem(await client.get(JOBS, headers=headers), 400)
        assert (said["code"], said["field"]) == ("header_repeated", name.lower())


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: g\r\nbad header\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: g\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: g\r\nContent-Length: x\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_problem_too(request_bytes: bytes, world: World) -> None:
    head, _, body = (await raw(world.client, request_bytes)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "malformed_request"


@pytest.mark.parametrize(
    "path",
    [
        f"{JOBS}/../../../etc/passwd",
        "//api/corpora",
        f"{JOBS}/%00",
        f"{JOBS}/{ID}%0d%0aSet-Cookie:x",
        "/api/%2e%2e/health",
    ],
)
async def test_a_trick_with_a_path_finds_nothing(path: str, world: World) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: g\r\nX-API-Key: slk_alice-key\r\nConnection: close\r\n\r\n"
    answer = await raw(world.client, request.encode())
    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 422 ", b"HTTP/1.1 400 "))
    assert b"set-cookie" not in answer.partition(b"\r\n\r\n")[0].lower()


async def test_a_body_that_stops_on_its_way_is_not_waited_for() -> None:
    app = FastAPI()
    install(app)

    async def read(request: Request) -> Response:
        await request.body()
        return Response()

    app.add_route("/", read, methods=["POST"])
    limited = RequestId(BodyLimit(app, limit_bytes=100, larger={}, patience_s=0.1))
    async with serving(limited) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await raw(client, b"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 10\r\n\r\nhalf")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_too_slow"


async def raw(client: httpx.AsyncClient, request: bytes) -> bytes:
    """All that comes back until the server closes or has answered."""
    place = urlsplit(str(client.base_url))
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(request)
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
    writer.close()
    return head + body
