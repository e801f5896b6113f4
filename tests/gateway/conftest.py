"""A gateway over real HTTP, with a real database, and honest servers in place of the functions behind it."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from functions.orchestrator import main as orchestrator
from gateway.app import Route, create_app
from gateway.http import Protocol
from gateway.settings import Settings
from shared.auth.internal import InternalCallers
from shared.auth.membership import MembershipSettings
from shared.contracts.envelope import from_event, to_event
from shared.contracts.payload import Payload
from shared.contracts.stages import PipelineTick
from shared.events.codec import decode, encode_binary
from shared.events.event import CloudEvent
from shared.events.signing import Signer
from shared.outbound.addresses import Guard
from shared.runtime.app import FunctionApp
from shared.runtime.resources import Resources
from shared.store.store import Store
from tests.local_http import asgi, serving
from tests.shared.store.world import World as Pipeline

ROOT = Path(__file__).parents[2]
SIGNING_KEY = b"a signing key for tests, long enough"
WORKER_KEY = "slk_a-worker-outside"
INTERNAL = InternalCallers(key_hash=hashlib.sha256(WORKER_KEY.encode()).hexdigest())
ALICE, BOB = "a" * 64, "b" * 64


@dataclass
class Behind:
    """Membership, the orchestrator and the stages, as the gateway sees them. `broken` names those that answer 503.

    `orchestrator` is the address of a real one, if there is any.
    """

    keys: dict[str, str] = field(default_factory=lambda: {"slk_alice-key": ALICE, "slk_bob-key": BOB})
    events: list[tuple[str, Payload]] = field(default_factory=list)
    searches: list[tuple[str, Any]] = field(default_factory=list)
    search_answer: Response = field(default_factory=lambda: JSONResponse({"results": []}))
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    stage_answer: Callable[[], Awaitable[Response]] = field(default_factory=lambda: _answering({"done": True}))
    broken: set[str] = field(default_factory=set)
    published: list[CloudEvent] = field(default_factory=list)
    scopes: list[str] = field(default_factory=lambda: ["read", "write"])
    orchestrator: str | None = None
    url: str = ""

    async def __call__(self, request: Request) -> Response:
        name = request.url.path.split("/")[2]
        if name in self.broken:
            return Response(status_code=503)
        key = request.headers.get("x-api-key", "")
        if name == "membership":
            known = self.keys.get(key)
            answer = {"caller_id": known, "caller_type": "user", "scopes": self.scopes}
            return JSONResponse(answer) if known else Response(status_code=401)
        if name == "search":
            self.searches.append((key, await request.json()))
            return self.search_answer
        if name == "broker":
            self.published.append(decode(request.scope["headers"], await request.body()))
            return Response(status_code=202)
        if name != "orchestrator":
            self.calls.append((name, key, await request.json()))
            return await self.stage_answer()
        assert "prefer" not in request.headers
        event = decode(request.scope["headers"], await request.body())
        Signer([SIGNING_KEY]).verify(event)
        self.events.append((event.id, from_event(event)))
        if self.orchestrator is None:
            return Response(status_code=204)
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            said = await client.post(self.orchestrator, headers=request.headers.raw, content=await request.body())
        return Response(status_code=said.status_code)


def _answering(body: dict[str, Any]) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return JSONResponse(body)

    return answer


@asynccontextmanager
async def orchestrator_on(database: str, folder: Path, broker: str) -> AsyncIterator[str]:
    """The real one, over HTTP. It may send webhooks to this machine."""
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "event-signing-key").write_bytes(SIGNING_KEY)
    function = orchestrator.wire(
        {
            "SECRETS_DIR": str(secrets),
            "DATABASE_URL": database,
            "OBJECT_STORE_URL": f"file://{folder}/objects",
            "BROKER_URL": broker,
            "EMBEDDING_MODEL": "a-model",
            "EMBEDDING_DIMENSION": "3",
            "SCRAPE_DOMAIN_DELAY_SECONDS": "0",
            "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        }
    )
    resources = Resources(function.open)
    async with serving(FunctionApp(function, resources)) as address:
        yield address
    await resources.close()


@dataclass
class World:
    store: Store
    behind: Behind
    objects: Path
    client: httpx.AsyncClient
    database: str
    stack: AsyncExitStack

    async def works(self) -> None:
        """From now on there is an orchestrator."""
        opened = orchestrator_on(self.database, self.objects.parent, f"{self.behind.url}/function/broker")
        self.behind.orchestrator = await self.stack.enter_async_context(opened)

    async def tick(self) -> None:
        event = to_event(PipelineTick(), source="/ping", cause=None, time=datetime.now(UTC))
        headers, body = encode_binary(event)
        assert self.behind.orchestrator is not None
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            assert (await client.post(self.behind.orchestrator, headers=headers, content=body)).status_code == 204

    @property
    def pipeline(self) -> Pipeline:
        """Workers and stages, by hand."""
        return Pipeline(self.store, now=datetime.now(UTC))

    def internal(self) -> dict[str, str]:
        """A service of ours."""
        return {"X-API-Key": WORKER_KEY}

    def as_bob(self) -> dict[str, str]:
        return {"X-API-Key": "slk_bob-key"}


@asynccontextmanager
async def gateway_on(
    database: str, folder: Path, behind: Behind | None = None, routes: Sequence[Route] | None = None, **changed: Any
) -> AsyncIterator[tuple[Behind, httpx.AsyncClient]]:
    """A gateway on a database, and a client with Alice's key."""
    behind = behind or Behind()
    async with serving(asgi(behind)) as url:
        behind.url = url
        settings = replace(
            Settings(
                database_url=database,
                object_store_url=f"file://{folder}/objects",
                membership=MembershipSettings(f"{url}/function/membership", b"hash secret", INTERNAL),
                function_url_template=url + "/function/{name}",
                limits=None,
                signing_keys=SIGNING_KEY,
                sync_timeout_s=5,
                triggers_dir=ROOT / "triggers",
            ),
            **changed,
        )
        async with (
            serving(create_app(settings, {}, routes), lifespan=True, http=Protocol) as gateway,
            httpx.AsyncClient(
                base_url=gateway, headers={"X-API-Key": "slk_alice-key"}, trust_env=False, timeout=30
            ) as client,
        ):
            yield behind, client


@pytest.fixture
async def world(database: str, store: Store, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        behind, client = await stack.enter_async_context(
            gateway_on(database, tmp_path, webhook_guard=Guard((ip_network("127.0.0.0/8"),)))
        )
        yield World(store, behind, tmp_path / "objects", client, database, stack)


async def insert_job(store: Store, caller_id: str, states: list[str], *, status: str = "running") -> UUID:
    """A job with a document in each of the states."""
    job_id, corpus_id, now = uuid4(), uuid4(), datetime.now(UTC)
    async with store.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO corpora"
            " (id, caller_id, name, model, dimension, chunk_max_tokens, chunk_overlap_tokens, created_at)"
            " VALUES ($1, $2, $3, 'm', 3, 250, 50, $4)",
            *(corpus_id, caller_id, f"corpus-{corpus_id.hex[:8]}", now),
        )
        await connection.execute(
            "INSERT INTO jobs (id, caller_id, corpus_id, state, total, created_at, ended_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *(job_id, caller_id, corpus_id, status, len(states), now, None if status == "running" else now),
        )
        for ordinal, state in enumerate(states):
            failed = ("scraping", "permanent", "http_404", "the page is gone") if state == "failed" else (None,) * 4
            await connection.execute(
                "INSERT INTO documents (id, job_id, corpus_id, caller_id, ordinal, url, domain, state, not_before,"
                " error_stage, error_kind, error_code, error_message, chunks, tokens, created_at, updated_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, 'example.org', $7, $8, $9, $10, $11, $12, $13, $14, $8, $8)",
                *(uuid4(), job_id, corpus_id, caller_id, ordinal, f"https://example.org/{ordinal}", state, now),
                *failed,
                *((3, 700) if state == "indexed" else (None, None)),
            )
            await connection.execute("INSERT INTO job_deltas (job_id, state, n) VALUES ($1, $2, 1)", job_id, state)
    return job_id


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem of a response that failed as it should."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    return body
