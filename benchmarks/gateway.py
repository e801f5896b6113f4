"""Requests a second and their times through the gateway, beside the same gateway without authentication and limits, and
beside the handlers alone under uvicorn. All are served at once, each by one process, and asked in turns.

    python -m benchmarks.gateway [--seconds 3] [--rounds 5] [--at-once 16]
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.ports import free_port
from emulator.services import Services
from gateway.app import create_app, table
from gateway.http import Protocol
from gateway.settings import Settings
from gateway.submission import JOBS
from gateway.views import Job
from shared.auth.context import CallerContext
from shared.auth.membership import MembershipSettings
from shared.ratelimit.settings import LimitSettings
from shared.store import reads
from shared.store.migrate import migrate
from shared.store.store import Store

KEY, CALLER = "slk_a-key-for-benchmarks", "c" * 64
CHUNKS = {"chunks": [{"ordinal": 0, "start": 0, "end": 14, "tokens": 5, "text": "Leases expire."}]}
ASKED = json.dumps({"text": "Leases expire."}).encode()


def settings() -> Settings:
    behind = os.environ["BEHIND"]
    return Settings(
        database_url=os.environ["DATABASE_URL"],
        object_store_url=os.environ["OBJECT_STORE_URL"],
        membership=MembershipSettings(f"{behind}/function/membership", b"a secret"),
        limits=LimitSettings(os.environ["REDIS_URL"], {"standard": 10**9}, 10**9),
        function_url_template=behind + "/function/{name}",
        signing_keys=b"a signing key for benchmarks, long enough",
    )


def guarded() -> ASGIApp:
    return create_app(settings(), os.environ)


def unguarded() -> ASGIApp:
    """Everybody is the caller, and nobody is counted."""
    routes = [replace(route, public=True) for route in table()]
    app = create_app(replace(settings(), limits=None), os.environ, routes)

    async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["caller"] = CallerContext(CALLER)
        await app(scope, receive, send)

    return let_in


class Bare:
    """What the two routes do, and nothing around it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.store = await Store.open(os.environ["DATABASE_URL"], pool_size=4)
            self.client = httpx.AsyncClient(trust_env=False)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.client.aclose()
            await self.store.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "POST":
            answer = await self.client.post(f"{os.environ['BEHIND']}/function/chunk", content=await request.body())
            return Response(answer.content, media_type="application/json")
        view = await reads.get_job(self.store, CALLER, UUID(request.url.path.rpartition("/")[2]))
        assert view is not None
        return Response(Job.of(view, datetime.now(UTC)).model_dump_json(), media_type="application/json")


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """Membership and a stage that take no time."""
    if scope["type"] == "http":
        known = {"caller_id": CALLER, "caller_type": "user", "scopes": ["read", "write"]}
        await JSONResponse(known if "membership" in scope["path"] else CHUNKS)(scope, receive, send)


SERVED: dict[str, Callable[[], ASGIApp]] = {
    "gateway": guarded,
    "without auth and limits": unguarded,
    "bare handlers": Bare,
    "behind": lambda: behind,
}


async def _load(port: int, request: bytes, seconds: float, at_once: int) -> list[float]:
    """How long each request took, with so many under way over kept connections."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(at_once)))
    return took


@asynccontextmanager
async def _serving(name: str, environment: dict[str, str]) -> AsyncIterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.gateway", "--serve", name, "--port", str(port)]
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        await _until_open(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _until_open(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


async def _a_job(database_url: str) -> UUID:
    """A job of 1,000 pages under way."""
    job_id, corpus_id, now = uuid4(), uuid4(), datetime.now(UTC)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO corpora"
        " (id, caller_id, name, model, dimension, chunk_max_tokens, chunk_overlap_tokens, created_at)"
        " VALUES ($1, $2, 'docs', 'm', 384, 250, 50, $3)",
        *(corpus_id, CALLER, now),
    )
    await connection.execute(
        "INSERT INTO jobs (id, caller_id, corpus_id, state, total, created_at)"
        " VALUES ($1, $2, $3, 'running', 1000, $4)",
        *(job_id, CALLER, corpus_id, now),
    )
    counts = [(job_id, state, n) for state, n in (("pending", 600), ("scraping", 50), ("indexed", 350))]
    await connection.executemany("INSERT INTO job_deltas (job_id, state, n) VALUES ($1, $2, $3)", counts)
    await connection.close()
    return job_id


async def _measure(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="sluice-gateway-") as folder:
        async with Services.start(Path(folder)) as services:
            await migrate(services.database_url)
            job_id = await _a_job(services.database_url)
            environment = os.environ | {
                "DATABASE_URL": services.database_url,
                "REDIS_URL": services.redis_url,
                "OBJECT_STORE_URL": services.object_store_url,
            }
            async with _serving("behind", environment) as port:
                environment["BEHIND"] = f"http://127.0.0.1:{port}"
                async with (
                    _serving("gateway", environment) as ours,
                    _serving("without auth and limits", environment) as unguarded_port,
                    _serving("bare handlers", environment) as bare_port,
                ):
                    ports = dict(zip(SERVED, (ours, unguarded_port, bare_port), strict=False))
                    for title, request in _requests(job_id).items():
                        await _compare(title, request, ports, options)


def _requests(job_id: UUID) -> dict[str, bytes]:
    common = f"Host: gateway\r\nX-API-Key: {KEY}\r\n"
    post = f"POST /api/chunking/chunk HTTP/1.1\r\n{common}Content-Type: application/json\r\n"
    return {
        "GET /jobs/{id}": f"GET {JOBS}/{job_id} HTTP/1.1\r\n{common}\r\n".encode(),
        "POST /chunk, sync": f"{post}Content-Length: {len(ASKED)}\r\n\r\n".encode() + ASKED,
    }


async def _compare(title: str, request: bytes, ports: dict[str, int], options: argparse.Namespace) -> None:
    took: dict[str, list[list[float]]] = {name: [] for name in ports}
    for port in ports.values():
        await _load(port, request, 1, options.at_once)
    for _ in range(options.rounds):
        for name, port in ports.items():
            took[name].append(await _load(port, request, options.seconds, options.at_once))
    print(f"{title}, {options.at_once} at once\n{'':<26}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'of open':>9}")
    open_counts = [len(one) for one in took["without auth and limits"]]
    for name, rounds in took.items():
        everything = sorted(seconds for one in rounds for seconds in one)
        rate = statistics.median(len(one) for one in rounds) / options.seconds
        ratio = statistics.median(len(one) / other for one, other in zip(rounds, open_counts, strict=True))
        p50, p99 = (everything[int(len(everything) * part)] * 1000 for part in (0.5, 0.99))
        print(f"{name:<26}{rate:>12.0f}{p50:>9.2f}{p99:>9.2f}{ratio:>9.2f}")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--serve", choices=SERVED, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvicorn.run(SERVED[options.serve](), port=options.port, http=Protocol, log_config=None, access_log=False)
    else:
        asyncio.run(_measure(options))


if __name__ == "__main__":
    main()
