"""A gateway over real HTTP, with a real database, and honest servers in place of the functions behind it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.app import create_app
from gateway.settings import Settings
from shared.auth.membership import MembershipSettings
from shared.contracts.envelope import from_event
from shared.contracts.jobs import JobSubmitted
from shared.contracts.payload import Payload
from shared.events.codec import decode
from shared.events.event import CloudEvent
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.store.store import Store
from shared.store.submit import submit_job, submit_text
from shared.store.transitions import apply
from tests.local_http import asgi, serving
from tests.shared.store.world import DEFAULTS

ROOT = Path(__file__).parents[2]
SIGNING_KEY = b"a signing key for tests"
ALICE, BOB = "a" * 64, "b" * 64


@dataclass
class Behind:
    """Membership, the orchestrator and the stages, as the gateway sees them. `broken` names those that answer 503.

    `orchestrator` does what the real one would do about an event.
    """

    keys: dict[str, str] = field(default_factory=lambda: {"slk_alice-key": ALICE, "slk_bob-key": BOB})
    events: list[tuple[str, Payload]] = field(default_factory=list)
    searches: list[tuple[str, Any]] = field(default_factory=list)
    search_answer: Response = field(default_factory=lambda: JSONResponse({"results": []}))
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    stage_answer: Callable[[], Awaitable[Response]] = field(default_factory=lambda: _answering({"done": True}))
    broken: set[str] = field(default_factory=set)
    scopes: list[str] = field(default_factory=lambda: ["read", "write"])
    orchestrator: Callable[[CloudEvent, Payload], Awaitable[None]] | None = None

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
        if name != "orchestrator":
            self.calls.append((name, key, await request.json()))
            return await self.stage_answer()
        assert "prefer" not in request.headers
        event = decode(request.scope["headers"], await request.body())
        Signer([SIGNING_KEY]).verify(event)
        self.events.append((event.id, from_event(event)))
        if self.orchestrator is not None:
            await self.orchestrator(event, self.events[-1][1])
        return Response(status_code=204)


def _answering(body: dict[str, Any]) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return JSONResponse(body)

    return answer


async def pipeline(store: Store, objects: Path) -> Callable[[CloudEvent, Payload], Awaitable[None]]:
    """What the orchestrator does with events of jobs, in this process."""
    kept = ObjectStore.open(f"file://{objects}", {})

    async def apply_event(event: CloudEvent, payload: Payload) -> None:
        now = datetime.now(UTC)
        if not isinstance(payload, JobSubmitted):
            await apply(store, event, payload, now)
        elif payload.text is not None:
            await submit_text(store, event, payload, "https://example.org/", payload.text, DEFAULTS, now)
        else:
            urls = json.loads(await kept.get(payload.urls))
            await submit_job(store, event, payload, urls, DEFAULTS, now)

    return apply_event


@dataclass
class World:
    store: Store
    behind: Behind
    objects: Path
    client: httpx.AsyncClient

    async def works(self) -> None:
        """From now on the orchestrator does its part."""
        self.behind.orchestrator = await pipeline(self.store, self.objects)

    def as_bob(self) -> dict[str, str]:
        return {"X-API-Key": "slk_bob-key"}


@asynccontextmanager
async def gateway_on(database: str, folder: Path, **changed: Any) -> AsyncIterator[tuple[Behind, httpx.AsyncClient]]:
    """A gateway on a database, and a client with Alice's key."""
    behind = Behind()
    async with serving(asgi(behind)) as url:
        settings = replace(
            Settings(
                database_url=database,
                object_store_url=f"file://{folder}/objects",
                membership=MembershipSettings(f"{url}/function/membership", b"hash secret"),
                function_url_template=url + "/function/{name}",
                limits=None,
                signing_keys=SIGNING_KEY,
                sync_timeout_s=5,
                triggers_dir=ROOT / "triggers",
            ),
            **changed,
        )
        async with (
            serving(create_app(settings, {}), lifespan=True) as gateway,
            httpx.AsyncClient(base_url=gateway, headers={"X-API-Key": "slk_alice-key"}, trust_env=False) as client,
        ):
            yield behind, client


@pytest.fixture
async def world(database: str, store: Store, tmp_path: Path) -> AsyncIterator[World]:
    async with gateway_on(database, tmp_path) as (behind, client):
        yield World(store, behind, tmp_path / "objects", client)


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
