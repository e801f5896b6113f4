"""The orchestrator over HTTP, with a broker that only listens."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.orchestrator.main import wire
from observe import tracing
from shared.contracts.envelope import from_event, to_event
from shared.contracts.jobs import JobSubmitted
from shared.contracts.payload import ObjectRef, Payload
from shared.contracts.stages import ChunkRequested, DocumentChunked, PipelineTick, StageFailed
from shared.events.codec import decode, encode_binary
from shared.events.event import CloudEvent
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.runtime.app import FunctionApp
from shared.runtime.resources import Resources
from shared.store.claims import ScrapeClaim
from shared.store.store import Store
from tests.fakes.telemetry import parent_id, recording, span_id, trace_id
from tests.local_http import asgi, serving
from tests.numbers import Since
from tests.shared.store.world import World

KEY = b"k" * 32
SIGNER = Signer([KEY])
URL = "https://example.org/a"


@dataclass
class Platform:
    """The function, its broker's ear, and the store behind."""

    address: str
    world: World
    objects: ObjectStore
    heard: list[CloudEvent] = field(default_factory=list)
    broker_up: bool = True

    async def listen(self, request: Request) -> Response:
        if not self.broker_up:
            return Response(status_code=400)
        self.heard.append(decode(dict(request.headers), await request.body()))
        return Response(status_code=202)

    async def post(self, event: CloudEvent, path: str = "/", *, reply: bool = False) -> httpx.Response:
        headers, body = encode_binary(event)
        if reply:
            headers.append(("prefer", "reply"))
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            return await client.post(self.address + path, headers=headers, content=body)

    async def tell(self, payload: Payload, *, reply: bool = True, event_id: str | None = None) -> httpx.Response:
        event = to_event(payload, source="/functions/test", cause=None, time=datetime.now(UTC), id=event_id)
        return await self.post(SIGNER.sign(event), reply=reply)

    async def submission(self, *urls: str) -> JobSubmitted:
        ref = await self.objects.put(uuid4(), "urls", json.dumps(urls).encode())
        return JobSubmitted(job_id=uuid4(), caller_id="alice", corpus="books", urls=ref, count=len(urls))

    async def unpublished(self) -> int:
        return int(await self.world.store.pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"))

    async def until_marked(self) -> None:
        async with asyncio.timeout(10):
            while await self.unpublished():  # noqa: ASYNC110  another process's row
                await asyncio.sleep(0.02)

    async def claim(self) -> ScrapeClaim:
        self.world.now = datetime.now(UTC)
        [claim] = await self.world.scrape()
        return claim


@pytest.fixture
async def platform(database: str, store: Store, tmp_path: Path) -> AsyncIterator[Platform]:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "event-signing-key").write_bytes(KEY)
    objects = f"file://{tmp_path}/objects"
    world = World(store, now=datetime.now(UTC))
    it = Platform("", world, ObjectStore.open(objects, {}))
    async with serving(asgi(it.listen)) as broker:
        variables = {
            "SECRETS_DIR": str(secrets),
            "DATABASE_URL": database,
            "OBJECT_STORE_URL": objects,
            "BROKER_URL": broker,
            "EMBEDDING_MODEL": "a-model",
            "EMBEDDING_DIMENSION": "3",
            "SCRAPE_DOMAIN_DELAY_SECONDS": "0",
        }
        async with _function(variables) as it.address:
            yield it


@asynccontextmanager
async def _function(variables: dict[str, str]) -> AsyncIterator[str]:
    function = wire(variables)
    resources = Resources(function.open)
    async with serving(FunctionApp(function, resources)) as address:
        yield address
    await resources.close()


async def test_a_page_travels_from_event_to_event(platform: Platform) -> None:
    submission = await platform.submission(URL)
    answer = await platform.tell(submission, reply=False)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [event.type for event in platform.heard] == ["dev.sluice.scrape.requested.v1"]
    SIGNER.verify(platform.heard[0])
    claim = await platform.claim()
    answer = await platform.tell(platform.world.scraped(claim))
    request = decode(dict(answer.headers), answer.content)
    SIGNER.verify(request)
    assert isinstance(from_event(request), ChunkRequested)
    answer = await platform.tell(platform.world.chunked(request))
    assert answer.headers["ce-type"] == "dev.sluice.embed.requested.v1"
    platform.world.now = datetime.now(UTC)
    [embedding] = await platform.world.embed()
    assert await platform.world.swap(embedding)
    answer = await platform.tell(platform.world.embedded(embedding))
    assert answer.headers["ce-type"] == "dev.sluice.document.indexed.v1"
    assert platform.heard[-1].type == "dev.sluice.job.completed.v1"
    await platform.until_marked()


async def test_the_same_event_again_is_answered_with_nothing(platform: Platform) -> None:
    submission = await platform.submission(URL)
    first = await platform.tell(submission, event_id="9a7bb0d2-12f5-4a2c-9f7d-1de66e1f7a51")
    second = await platform.tell(submission, event_id="9a7bb0d2-12f5-4a2c-9f7d-1de66e1f7a51")
    assert (first.status_code, second.status_code, second.content) == (200, 204, b"")


async def test_ten_thousand_urls_are_one_request(platform: Platform) -> None:
    submission = await platform.submission(*(f"{URL}/{i}" for i in range(10_000)))
    assert (await platform.tell(submission)).status_code == 200
    assert (await platform.world.job(submission.job_id)).counts == {"pending": 10_000}


async def test_a_list_that_lacks_urls_is_refused_for_good(platform: Platform) -> None:
    submission = await platform.submission(URL)
    answer = await platform.tell(submission.model_copy(update={"count": 2}))
    assert (answer.status_code, answer.json()["error"]) == (400, "urls_invalid")


async def test_only_a_tick_may_come_unsigned(platform: Platform) -> None:
    event = to_event(await platform.submission(URL), source="/gateway", cause=None, time=datetime.now(UTC))
    assert (await platform.post(event)).status_code == 401
    tick = to_event(PipelineTick(), source="/ping", cause=None, time=datetime.now(UTC))
    assert (await platform.post(tick)).status_code == 204


async def test_what_the_broker_does_not_take_stays_in_the_outbox_for_a_tick(platform: Platform) -> None:
    platform.broker_up = False
    assert (await platform.tell(await platform.submission(URL), reply=False)).status_code >= 400
    assert await platform.unpublished() == 1
    platform.broker_up = True
    await platform.world.store.pool.execute("UPDATE outbox SET due_at = now()")
    tick = to_event(PipelineTick(), source="/ping", cause=None, time=datetime.now(UTC))
    assert (await platform.post(tick)).status_code == 204
    assert [event.type for event in platform.heard] == ["dev.sluice.scrape.requested.v1"]
    await platform.until_marked()


async def test_a_tick_removes_old_objects_now_and_then(platform: Platform, tmp_path: Path) -> None:
    async def old_one_stays() -> bool:
        ref = await platform.objects.put(uuid4(), "text", b"unreferenced")
        path = tmp_path / "objects" / ref.key
        os.utime(path, (0, 0))
        tick = to_event(PipelineTick(), source="/ping", cause=None, time=datetime.now(UTC))
        assert (await platform.post(tick)).status_code == 204
        return path.exists()

    assert not await old_one_stays()
    await platform.world.store.pool.execute("UPDATE turns SET taken_at = now() - interval '1 minute'")
    assert await old_one_stays()
    await platform.world.store.pool.execute("UPDATE turns SET taken_at = now() - interval '6 minutes'")
    assert not await old_one_stays()


async def dead(platform: Platform, event: CloudEvent, status: str = "500") -> httpx.Response:
    error = {"knativeerrordest": "http://chunk", "knativeerrorcode": status}
    event = CloudEvent(
        event.id,
        event.source,
        event.type,
        event.data,
        event.subject,
        event.time,
        event.dataschema,
        event.extensions | error,
    )
    return await platform.post(event, "/dead-letters")


async def test_a_dead_letter_is_kept_whatever_its_status_says(platform: Platform) -> None:
    event = SIGNER.sign(to_event(await platform.submission(URL), source="/x", cause=None, time=datetime.now(UTC)))
    for status in ("9" * 30, "-1", "none"):
        assert (await dead(platform, event, status)).status_code == 204
    assert await platform.world.store.pool.fetchval("SELECT count(*) FROM dead_letters WHERE status IS NULL") == 3


async def test_a_dead_request_for_chunks_costs_its_document_a_try(platform: Platform) -> None:
    submission = await platform.submission(URL)
    await platform.tell(submission)
    claim = await platform.claim()
    answer = await platform.tell(platform.world.scraped(claim))
    request = decode(dict(answer.headers), answer.content)
    assert (await dead(platform, request)).status_code == 204
    assert (await dead(platform, request)).status_code == 204
    [row] = await platform.world.documents(submission.job_id)
    assert (row.state, row.attempt, row.error_code) == ("chunking", 1, "not_delivered")
    letter = await platform.world.store.pool.fetchrow("SELECT type, destination, status FROM dead_letters")
    assert letter is not None
    assert tuple(letter) == ("dev.sluice.chunk.requested.v1", "http://chunk", 500)


async def test_other_dead_letters_are_kept_and_forged_ones_are_not(platform: Platform) -> None:
    names: dict[str, Any] = {"job_id": uuid4(), "document_id": uuid4(), "token": 1}
    ref = ObjectRef(key="k", sha256="0" * 64, size_bytes=1)
    chunked = DocumentChunked(**names, chunks=ref, count=1, tokens=1, chunker="c")
    event = SIGNER.sign(to_event(chunked, source="/functions/chunk", cause=None, time=datetime.now(UTC)))
    since = Since()
    assert (await dead(platform, event)).status_code == 204
    forged = CloudEvent(event.id, event.source, event.type, event.data, event.subject, event.time)
    assert (await dead(platform, forged)).status_code == 401
    assert await platform.world.store.pool.fetchval("SELECT count(*) FROM dead_letters") == 1
    assert since("sluice_dead_letters_received_total") == 1, "what is forged is none"


async def test_a_document_that_ends_is_the_root_of_its_trace(platform: Platform) -> None:
    with recording() as recorded:
        submitted = await platform.submission(URL)
        await platform.post(
            SIGNER.sign(
                to_event(
                    submitted,
                    source="/gateway",
                    cause=None,
                    time=datetime.now(UTC),
                    traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
                )
            )
        )
        claim = await platform.claim()
        await platform.tell(
            StageFailed(
                job_id=claim.job_id,
                document_id=claim.document_id,
                token=claim.token,
                stage="scraping",
                kind="permanent",
                code="http_404",
                message="gone",
            )
        )
        root, wanted = recorded.one("document"), tracing.document(claim.document_id)
        assert (trace_id(root), span_id(root), parent_id(root)) == (wanted.trace_id, wanted.span_id, None)
        assert [(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in root.links] == [
            ("a" * 32, "b" * 16)
        ]
        said = root.attributes or {}
        assert (said["job.id"], said["job.url"], said["corpus.name"]) == (str(claim.job_id), URL, "books")
        assert (said["error.type"], said["failed.stage"]) == ("http_404", "scraping")
        assert parent_id(recorded.one("job.submitted")) == "b" * 16
