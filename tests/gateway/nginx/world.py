"""A gateway as nginx sees it, and requests that no client library would send."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.local_http import asgi, serving, until
from tests.nginx import Edge, edge, program

JOBS = "/api/orchestrator/jobs"
CALLBACK = f"{JOBS}/7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d/complete"


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


def claims(count: int) -> list[dict[str, str]]:
    headers = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP")
    return [dict.fromkeys(headers, f"10.0.0.{n}") for n in range(count)]


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
