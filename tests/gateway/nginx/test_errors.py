"""The edge's own errors are problems, as the gateway's are."""

import asyncio

import httpx
import pytest

from tests.gateway.conftest import problem
from tests.gateway.nginx.world import World, exchange, parsed
from tests.local_http import closed_port
from tests.nginx import edge, program

OWN_ERRORS = (
    (b"GET /nowhere HTTP/1.1\r\nHost: edge\r\n\r\n", 404, "not_found"),
    (b"GET /metrics HTTP/1.1\r\nHost: edge\r\n\r\n", 404, "not_found"),
    (b"GET /system/functions HTTP/1.1\r\nHost: edge\r\n\r\n", 404, "not_found"),
    (b"GET /function/scrape HTTP/1.1\r\nHost: edge\r\n\r\n", 404, "not_found"),
    (b"TRACE /api/corpora HTTP/1.1\r\nHost: edge\r\n\r\n", 405, "method_not_allowed"),
    (b"POST /api/corpora HTTP/1.1\r\nHost: edge\r\nContent-Length: 99999999\r\n\r\n", 413, "content_too_large"),
    (b"GET /api/" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: edge\r\n\r\n", 414, "uri_too_long"),
    (b"GET /api/ HTTP/1.1\r\nHost: edge\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, "headers_too_large"),
    (b"GET /api/\xff HTTP/1.1\r\nHost: edge\r\n\r\n", 400, "malformed_request"),
    (b"GET /api/%00 HTTP/1.1\r\nHost: edge\r\n\r\n", 400, "malformed_request"),
    (b"GET /../../etc/passwd HTTP/1.1\r\nHost: edge\r\n\r\n", 400, "malformed_request"),
    (b"\x16\x03\x01 / HTTP/1.1\r\n\r\n", 400, "malformed_request"),
    (b"GET /api/ HTTP/1.1\r\n\r\n", 400, "malformed_request"),
    (b"GET /api/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed_request"),
    (b"POST /api/ HTTP/1.1\r\nHost: e\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400, "malformed_request"),
    (b"POST /api/ HTTP/1.1\r\nHost: e\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "malformed_request"),
    (b"POST /api/ HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"),
    (b"GET /api/ HTTP/3.0\r\nHost: edge\r\n\r\n", 505, "http_version_unsupported"),
)  # fmt: skip


@pytest.mark.parametrize(("request_bytes", "status", "code"), OWN_ERRORS)
async def test_the_edges_own_errors_are_problems_too(
    request_bytes: bytes, status: int, code: str, world: World
) -> None:
    found = problem(parsed(await exchange(world.edge, request_bytes)), status)
    assert found["code"] == code
    assert world.upstream.seen == []
    assert (await world.lines(1))[0]["status"] == status


async def test_a_gateway_that_is_gone_or_slow_is_a_problem_with_a_wait() -> None:
    program()
    async with edge(f"127.0.0.1:{closed_port()}") as made, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{made.url}/api/corpora")
        assert problem(answer, 502)["code"] == "gateway_unreachable"
        assert int(answer.headers["retry-after"]) > 0

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)

    connected: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(silent, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        edge(f"127.0.0.1:{port}", timeouts_s=1) as made,
        httpx.AsyncClient(trust_env=False, timeout=20) as client,
    ):
        answer = await client.get(f"{made.url}/api/chunking/chunk")
        assert problem(answer, 504)["code"] == "gateway_timeout"
        for writer in connected:
            writer.close()
