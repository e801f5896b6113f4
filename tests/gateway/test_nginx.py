"""The edge, with a real nginx: its limits, its routes, its log, and its own errors."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.app import SUBMISSION_BYTES
from tests.gateway.conftest import problem
from tests.local_http import asgi, closed_port, serving, until
from tests.nginx import BEHIND_A_BALANCER, FOLDER, Edge, edge, program

JOBS = "/api/orchestrator/jobs"
CALLBACK = f"{JOBS}/7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d/complete"
# Route -> requests over the rate that an address, and a key, may send at once.
BURSTS = {
    "/api/orchestrator/jobs": (20, 100),
    "/api/scraper/scrape": (10, 50),
    "/api/chunking/chunk": (50, 200),
    "/api/embedding/search": (5, 20),
}
IP_RATE, KEY_RATE = 30, 200


@dataclass
class Upstream:
    """The gateway, as nginx sees it: answers what it was asked."""

    seen: list[Request] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.seen.append(request)
        if request.url.path == f"{JOBS}/own-problem":
            return Response("{}", 404, media_type="application/problem+json")
        size = len(await request.body())
        headers = {name.lower(): value for name, value in request.headers.items()}
        return JSONResponse(
            {"path": request.url.path, "headers": headers, "size": size}, headers={"X-Request-Id": "up"}
        )


@dataclass(frozen=True)
class World:
    edge: Edge
    upstream: Upstream
    client: httpx.AsyncClient

    async def lines(self, count: int) -> list[dict[str, Any]]:
        """The log, once it has so many lines."""
        await until(lambda: self.edge.log().count(b"\n") >= count)
        return [json.loads(line.decode()) for line in self.edge.log().splitlines()]


@asynccontextmanager
async def standing(include: str = "") -> AsyncIterator[World]:
    program()
    upstream = Upstream()
    async with (
        serving(asgi(upstream)) as url,
        edge(urlsplit(url).netloc, include=include) as made,
        httpx.AsyncClient(base_url=made.url, trust_env=False) as client,
    ):
        yield World(made, upstream, client)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Nobody stands before the edge: who connects is who it is."""
    async with standing() as made:
        yield made


@pytest.fixture
async def balanced() -> AsyncIterator[World]:
    """The edge believes a balancer, so that the tests can come from anywhere."""
    async with standing(BEHIND_A_BALANCER) as made:
        yield made


@pytest.fixture
async def swift() -> AsyncIterator[Edge]:
    """As `balanced`, before a gateway that takes no time: nginx itself. So a loaded machine sees bursts as bursts."""
    program()
    upstream = f"127.0.0.1:{closed_port()}"
    answering = f"server {{ listen {upstream}; return 200; }}"
    async with edge(upstream, include=BEHIND_A_BALANCER + answering) as made:
        yield made


def from_(address: str) -> dict[str, str]:
    return {"X-Balancer-Saw": address}


async def burst(edge: Edge, path: str, headers: Iterable[dict[str, str]]) -> list[tuple[int, bytes]]:
    """Sends all requests at once over one connection; (status, whole answer) of each, in order."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    asked = [{"Host": "edge", **one} for one in headers]
    asked[-1]["Connection"] = "close"
    for one in asked:
        lines = (f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in one.items()))
        writer.write("\r\n".join((*lines, "", "")).encode())
    everything = await reader.read()
    writer.close()
    answers = [b"HTTP/1.1 " + one for one in everything.split(b"HTTP/1.1 ")[1:]]
    return [(int(answer.split()[1]), answer) for answer in answers]


async def timed(edge: Edge, path: str, headers: list[dict[str, str]]) -> tuple[int, int, float, list[bytes]]:
    """(passed, refused, seconds, the refusals) of a burst."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await burst(edge, path, headers)
    assert len(answers) == len(headers)
    assert {status for status, _ in answers} <= {200, 429}
    refusals = [answer for status, answer in answers if status == 429]
    return len(answers) - len(refusals), len(refusals), loop.time() - began, refusals


@pytest.mark.parametrize("path", BURSTS)
async def test_an_address_may_send_so_much_and_no_more(path: str, swift: Edge) -> None:
    allowed = BURSTS[path][0] + 1
    passed, refused, seconds, _ = await timed(swift, path, [from_("203.0.113.9")] * (allowed + 60))
    assert allowed <= passed <= allowed + IP_RATE * seconds + 1
    assert refused
    passed, _, _, _ = await timed(swift, path, [from_("203.0.113.10")] * allowed)
    assert passed == allowed, "another address has its own limit"


@pytest.mark.parametrize("path", BURSTS)
async def test_a_key_may_send_so_much_from_wherever_it_comes(path: str, swift: Edge) -> None:
    allowed = BURSTS[path][1] + 1
    everywhere = [from_(f"203.0.{n >> 8}.{n & 255}") | {"X-API-Key": "slk_a-busy-key"} for n in range(allowed + 250)]
    passed, refused, seconds, _ = await timed(swift, path, everywhere)
    assert allowed <= passed <= allowed + KEY_RATE * seconds + 1
    assert refused
    another = from_("203.0.114.1") | {"X-API-Key": "slk_a-quiet-key"}
    assert (await timed(swift, path, [another]))[0] == 1


async def test_a_made_up_key_gives_no_room_of_its_own(swift: Edge) -> None:
    path, allowed = "/api/embedding/search", BURSTS["/api/embedding/search"][1] + 1
    headers = [from_(f"203.0.{n >> 8}.{n & 255}") | {"X-API-Key": f"no key {n}"} for n in range(allowed + 250)]
    _, refused, _, _ = await timed(swift, path, headers)
    assert refused


async def test_who_is_refused_learns_when_to_come_back(swift: Edge) -> None:
    _, _, _, refusals = await timed(swift, "/api/embedding/search", [from_("203.0.113.9")] * 60)
    refusal = parsed(refusals[0])
    assert problem(refusal, 429)["code"] == "edge_limit"
    assert refusal.headers["retry-after"] == "1"


def claims(count: int) -> list[dict[str, str]]:
    headers = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP")
    return [dict.fromkeys(headers, f"10.0.0.{n}") for n in range(count)]


async def test_claiming_other_addresses_gives_no_more_room(swift: Edge) -> None:
    passed, refused, seconds, _ = await timed(swift, "/api/embedding/search", claims(66))
    assert passed <= 6 + IP_RATE * seconds + 1
    assert refused


async def test_what_a_client_says_of_its_address_goes_nowhere(world: World) -> None:
    await world.client.get("/api/corpora", headers=claims(1)[0])
    assert (await world.client.post(CALLBACK, headers=claims(1)[0])).status_code == 403
    [request] = world.upstream.seen
    assert request.headers["x-forwarded-for"] == request.headers["x-real-ip"] == "127.0.0.1"
    assert "forwarded" not in request.headers


CALLBACK_WRITTEN_OTHERWISE = (
    CALLBACK,
    CALLBACK + "?document=1",
    CALLBACK + "/",
    CALLBACK.replace("complete", "%63omplete"),
    CALLBACK.replace("complete", "COMPLETE"),
    CALLBACK.replace("/jobs", "//jobs"),
    CALLBACK.replace("/jobs", "/./jobs"),
    CALLBACK.replace("/api", "/health/../api"),
    CALLBACK.replace("/complete", "%2fcomplete"),
    CALLBACK.replace("7a0e", "x%2fy"),
    CALLBACK.replace("7a0e", "x%0ay"),
    CALLBACK + "%0a",
    CALLBACK + ";v=1",
)


@pytest.mark.parametrize("target", CALLBACK_WRITTEN_OTHERWISE)
async def test_the_callback_is_closed_to_strangers_however_it_is_written(target: str, balanced: World) -> None:
    for address in ("203.0.113.9", "127.0.0.1", "172.32.0.1", "11.0.0.1"):
        answer = await raw(balanced.edge, f"POST {target} HTTP/1.1", X_Balancer_Saw=address)
        assert answer.status_code == 403, address
        assert problem(answer, 403)["code"] == "private_network_only"
    assert balanced.upstream.seen == []


@pytest.mark.parametrize("address", ["10.1.2.3", "172.16.0.9", "192.168.1.1"])
async def test_the_callback_is_open_to_private_networks(address: str, balanced: World) -> None:
    assert (await balanced.client.post(CALLBACK, headers=from_(address))).json()["path"] == CALLBACK


async def test_counts_are_shown_to_the_machine_itself_only(balanced: World) -> None:
    assert "Active connections" in (await balanced.client.get("/stub_status", headers=from_("127.0.0.1"))).text
    for address in ("10.1.2.3", "203.0.113.9"):
        problem(await balanced.client.get("/stub_status", headers=from_(address)), 403)


async def test_a_request_id_is_kept_or_made_and_goes_everywhere(world: World) -> None:
    kept = await world.client.get("/api/corpora", headers={"X-Request-Id": "mine.1"})
    assert kept.headers.get_list("x-request-id") == ["mine.1"]
    assert kept.json()["headers"]["x-request-id"] == "mine.1"
    for bad in ("has space", "x" * 129, '"},{"', ""):
        made = await world.client.get("/api/corpora", headers={"X-Request-Id": bad})
        given = made.headers["x-request-id"]
        assert given not in ("", bad)
        assert made.json()["headers"]["x-request-id"] == given
    ids = [line["request_id"] for line in await world.lines(5)]
    assert ids[0] == "mine.1"
    assert ids[-1] == given


async def test_health_is_neither_limited_nor_logged(balanced: World) -> None:
    answers = await burst(balanced.edge, "/health", [from_("203.0.113.9")] * 100)
    assert {status for status, _ in answers} == {200}
    await balanced.client.get("/api/corpora", headers=from_("203.0.113.9"))
    assert [line["uri"] for line in await balanced.lines(1)] == ["/api/corpora"]


HOSTILE_TARGETS = (
    b'/api/"},{"level":"error","x":"',
    b"/api/\\u0022\\",
    b"/api/\xff\xfe\xc3(",
    b"/api/%0d%0a",
    b"/api/\xe2\x80\xa8line",
    b"/api/corpora?key=slk_in-the-query",
    b"/api/slk_in-the-path/x",
    b"/api/" + b"a" * 6000,
)


async def test_every_log_line_is_json_and_none_holds_a_key(world: World) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    hostile = b'\xff"},{"\\\x01'.replace(b"\x01", b"\t")
    for number, target in enumerate(HOSTILE_TARGETS, 1):
        answer = await exchange(
            world.edge,
            b"GET " + target + b" HTTP/1.1\r\nHost: edge\r\nX-API-Key: slk_in-the-header\r\nConnection: close\r\n"
            b"User-Agent: " + hostile + b"\r\nX-Request-Id: " + hostile + b"\r\nReferer: " + hostile + b"\r\n"
            b"traceparent: 00-" + trace.encode() + b"-b7ad6b7169203331-01\r\n\r\n",
        )
        assert answer.startswith(b"HTTP/1.1 ")
        lines = await world.lines(number)  # a line is written after its answer
    assert len(lines) == len(HOSTILE_TARGETS)
    assert b"slk_" not in world.edge.log()
    assert [line["uri"] for line in lines[2:7]] == [
        "(unreadable)",
        "/api/%0d%0a",
        "(unreadable)",
        "/api/corpora",
        "(holds a key)",
    ]
    assert lines[5] | {"upstream_addr": "", "timestamp": "", "request_id": "", "bytes_sent": 0} == {
        "timestamp": "",
        "request_id": "",
        "trace_id": trace,
        "remote_addr": "127.0.0.1",
        "method": "GET",
        "uri": "/api/corpora",
        "status": 200,
        "bytes_sent": 0,
        "request_time": lines[5]["request_time"],
        "upstream_response_time": lines[5]["upstream_response_time"],
        "upstream_addr": "",
        "upstream_status": "200",
        "limit_req_status": "PASSED",
    }
    said = world.edge.folder / "said.log"
    assert b"slk_" not in said.read_bytes()


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


async def test_what_the_gateway_says_passes_through(world: World) -> None:
    answer = await world.client.get(f"{JOBS}/own-problem")
    assert (answer.status_code, answer.content) == (404, b"{}")


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


async def test_a_body_as_large_as_any_route_takes_reaches_the_gateway(world: World) -> None:
    answer = await world.client.post(JOBS, content=b"x" * SUBMISSION_BYTES)
    assert answer.json()["size"] == SUBMISSION_BYTES
    problem(await world.client.post(JOBS, content=b"x" * (SUBMISSION_BYTES + 1)), 413)


async def test_over_tls_requests_pass_and_plain_http_is_refused() -> None:
    program()
    upstream = Upstream()
    async with serving(asgi(upstream)) as url, edge(urlsplit(url).netloc, variant="tls") as made:
        trusted = ssl.create_default_context(cafile=str(made.folder / "tls.crt"))
        async with httpx.AsyncClient(trust_env=False, verify=trusted) as client:
            answer = await client.get(f"{made.tls_url}/api/corpora")
            assert answer.json()["headers"]["x-forwarded-proto"] == "https"
            assert "strict-transport-security" in answer.headers
            plain = await client.get(f"{made.url}/api/corpora", headers={"X-API-Key": "slk_sent-in-clear"})
            assert problem(plain, 403)["code"] == "https_required"
            assert (await client.get(f"{made.url}/health")).status_code == 200
            confused = await client.get(made.tls_url.replace("https", "http") + "/health")
            assert problem(confused, 400)["code"] == "https_expected"
    assert [request.url.path for request in upstream.seen] == ["/api/corpora", "/health"]


def test_the_timeouts_are_those_agreed() -> None:
    routes = (FOLDER / "edge" / "routes.conf").read_text()
    stages = {"orchestrator": 120, "scraper": 35, "chunking": 15, "embedding": 65}
    for stage, seconds in stages.items():
        _, _, after = routes.partition(f"location /api/{stage}/ {{")
        assert f"proxy_read_timeout {seconds}s;" in after.partition("}")[0]


async def exchange(edge: Edge, request: bytes) -> bytes:
    """Sends bytes as they are; everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(request)
    first = b""
    async with asyncio.timeout(20):
        while b"\r\n\r\n" not in first:
            more = await reader.read(65536)
            if not more:
                break
            first += more
        head = httpx.Response(200, headers=_headers(first)).headers
        wanted = first.find(b"\r\n\r\n") + 4 + int(head.get("content-length", 0))
        while len(first) < wanted and (more := await reader.read(65536)):
            first += more
    writer.close()
    return first


def _headers(answer: bytes) -> list[tuple[bytes, bytes]]:
    lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


def parsed(answer: bytes) -> httpx.Response:
    status = int(answer.split(b" ", 2)[1])
    return httpx.Response(status, headers=_headers(answer), content=answer.partition(b"\r\n\r\n")[2])


async def raw(edge: Edge, line: str, **headers: str) -> httpx.Response:
    """A request whose target no client library puts in order."""
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return parsed(await exchange(edge, f"{line}\r\nHost: edge\r\n{named}Content-Length: 0\r\n\r\n".encode()))
