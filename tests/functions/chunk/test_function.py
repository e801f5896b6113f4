"""The chunk function: events about stored texts, and direct calls."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from functions.chunk.handler import read_call
from functions.chunk.main import wire
from functions.chunk.spans import Sizes
from observe.context import TraceContext, entered
from observe.vocabulary import strangers
from shared.contracts.documents import ChunkList
from shared.contracts.envelope import from_event, to_event
from shared.contracts.payload import ObjectRef
from shared.contracts.stages import ChunkRequested, DocumentChunked, StageFailed
from shared.errors import InvalidInput
from shared.events.codec import decode, encode_binary
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.runtime.app import FunctionApp
from shared.runtime.resources import Resources
from tests.fakes.telemetry import parent_id, recording, span_id, trace_id
from tests.local_http import asgi, closed_port, serving

KEY = b"0123456789abcdef"
CORPUS = UUID(int=4)
IDS: dict[str, Any] = {"job_id": UUID(int=1), "document_id": UUID(int=2), "token": 3}
API_KEY = "slk_" + "a" * 43
TEXT = "The first paragraph is short.\n\nThe second one is 日本語 and ends here. " + "More and more. " * 100


async def membership(request: Request) -> Response:
    if request.headers["x-api-key"] != API_KEY:
        return JSONResponse({"error": "unauthenticated"}, 401)
    return JSONResponse({"caller_id": "c", "caller_type": "user", "tier": "free", "scopes": ["write"]})


@dataclass(frozen=True)
class World:
    http: httpx.AsyncClient
    objects: ObjectStore
    folder: Path

    async def ask(self, text: ObjectRef, *, max_tokens: int = 50, overlap_tokens: int = 10) -> httpx.Response:
        asked = ChunkRequested(**IDS, corpus_id=CORPUS, text=text, max_tokens=max_tokens, overlap_tokens=overlap_tokens)
        event = to_event(asked, source="/functions/orchestrator", cause=None, time=datetime.now(UTC))
        headers, body = encode_binary(Signer([KEY]).sign(event))
        return await self.http.post("/", content=body, headers=dict(headers) | {"prefer": "reply"})

    async def fate(self, text: ObjectRef, **sizes: int) -> DocumentChunked | StageFailed:
        answer = await self.ask(text, **sizes)
        assert answer.status_code == 200
        reply = decode(answer.headers, answer.content)
        Signer([KEY]).verify(reply)
        payload = from_event(reply)
        assert isinstance(payload, DocumentChunked | StageFailed)
        return payload

    async def stored(self, content: bytes) -> ObjectRef:
        return await self.objects.put(CORPUS, "text", content)


def variables(folder: Path, membership_url: str) -> Mapping[str, str]:
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "event-signing-key").write_bytes(KEY)
    (secrets / "caller-hash-key").write_bytes(b"f" * 32)
    return {
        "OBJECT_STORE_URL": f"file://{folder}/objects",
        "SECRETS_DIR": str(secrets),
        "MEMBERSHIP_URL": membership_url,
        "BROKER_URL": f"http://127.0.0.1:{closed_port()}",
    }


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(asgi(membership)) as membership_url:
        function = wire(variables(tmp_path, membership_url))
        resources = Resources(function.open)
        async with (
            serving(FunctionApp(function, resources)) as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
        ):
            yield World(http, ObjectStore.open(f"file://{tmp_path}/objects", {}), tmp_path / "objects")
        await resources.close()


async def test_a_stored_text_becomes_stored_chunks(world: World) -> None:
    text = await world.stored(TEXT.encode())
    reply = await world.fate(text)
    assert isinstance(reply, DocumentChunked)
    chunks = ChunkList.model_validate_json(await world.objects.get(reply.chunks))
    assert (chunks.text_sha256, chunks.chunker) == (text.sha256, reply.chunker)
    assert (len(chunks.spans), sum(span.tokens for span in chunks.spans)) == (reply.count, reply.tokens)
    assert TEXT[chunks.spans[0].start : chunks.spans[0].end].startswith("The first paragraph is short.\n\nThe second")
    assert chunks.spans[-1].end == len(TEXT.rstrip())
    assert reply.chunker.startswith("breaks-1:50+10:")
    assert (reply.job_id, reply.document_id, reply.token) == (IDS["job_id"], IDS["document_id"], 3)


async def test_the_same_request_gives_the_same_chunks(world: World) -> None:
    text = await world.stored(TEXT.encode())
    first, again = await world.fate(text), await world.fate(text)
    assert first.model_copy(update={"spent": None}) == again.model_copy(update={"spent": None})


async def test_what_it_took_is_reported_also_when_it_failed(world: World) -> None:
    for content in (TEXT.encode() * 200, b"\xff\xfe\xff"):
        reply = await world.fate(await world.stored(content))
        assert reply.spent is not None
        assert 0 < reply.spent.cpu_s < 60


@pytest.mark.parametrize("content", [b"", b" \n\t ", "\u200b\u3000".encode()])
async def test_a_text_without_words_fails_for_good(world: World, content: bytes) -> None:
    reply = await world.fate(await world.stored(content))
    assert isinstance(reply, StageFailed)
    assert (reply.stage, reply.kind, reply.code) == ("chunking", "permanent", "no_text")


async def test_content_that_is_gone_or_broken_fails_with_its_code(world: World) -> None:
    text = await world.stored(b"\xff\xfe\xff")
    assert await fate(world, text) == ("permanent", "text_invalid")
    (world.folder / text.key).write_bytes(b"something else")
    assert await fate(world, text) == ("transient", "object_corrupt")
    (world.folder / text.key).unlink()
    assert await fate(world, text) == ("permanent", "object_missing")


async def test_sizes_that_do_not_go_together_fail_the_document(world: World) -> None:
    reply = await world.fate(await world.stored(b"some text"), max_tokens=20, overlap_tokens=20)
    assert isinstance(reply, StageFailed)
    assert (reply.kind, reply.code) == ("permanent", "overlap_tokens_invalid")


async def test_an_object_store_that_is_down_makes_the_broker_ask_again(world: World) -> None:
    text = await world.stored(b"some text")
    folder = (world.folder / text.key).parent
    (world.folder / text.key).unlink()
    folder.rmdir()
    folder.touch()
    assert (await world.ask(text)).status_code >= 500


async def fate(world: World, text: ObjectRef) -> tuple[str, str]:
    reply = await world.fate(text)
    assert isinstance(reply, StageFailed)
    return reply.kind, reply.code


async def test_a_direct_call_gets_the_chunks_with_their_text(world: World) -> None:
    answer = await world.http.post("/", json={"text": TEXT, "max_tokens": 40}, headers={"x-api-key": API_KEY})
    assert answer.status_code == 200
    body = answer.json()
    assert [chunk["ordinal"] for chunk in body["chunks"]] == list(range(body["count"]))
    assert all(TEXT[chunk["start"] : chunk["end"]] == chunk["text"] for chunk in body["chunks"])
    assert max(chunk["tokens"] for chunk in body["chunks"]) <= 40
    assert body["chunker"].startswith("breaks-1:40+20:")


async def test_a_direct_call_needs_a_key_and_sense(world: World) -> None:
    assert (await world.http.post("/", json={"text": TEXT})).status_code == 401
    refused = await world.http.post("/", json={"text": 5}, headers={"x-api-key": API_KEY})
    assert (refused.status_code, refused.json()["field"]) == (400, "text")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "text"),
        ([], "text"),
        ({"text": None}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"text": "a", "max_tokens": 2}, "max_tokens"),
        ({"text": "a", "max_tokens": True}, "max_tokens"),
        ({"text": "a", "max_tokens": 10**30, "overlap_tokens": -1}, "overlap_tokens"),
        ({"text": "a", "overlap_tokens": "5"}, "overlap_tokens"),
    ],
)
def test_a_call_that_makes_no_sense_names_the_field(body: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_call(body, Sizes(250, 50))
    assert refused.value.field == field


def test_importing_the_function_loads_nothing_heavy() -> None:
    heavy = "tokenizers obstore httpx openai rq redis asyncpg fastapi numpy yaml opentelemetry.sdk trafilatura"
    code = f"import sys, functions.chunk.main; sys.exit(', '.join(set('{heavy}'.split()) & set(sys.modules)) or 0)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


async def test_an_event_goes_on_with_its_trace_and_so_does_the_reply(world: World) -> None:
    text = await world.stored(TEXT.encode())
    cause = TraceContext("c" * 32, "d" * 16)
    with recording() as recorded:
        with entered(cause, {"job.url": "https://example.org/page"}):
            answer = await world.ask(text)
        span = recorded.one("chunk.requested")
        assert (trace_id(span), parent_id(span)) == (cause.trace_id, cause.span_id)
        said = span.attributes or {}
        assert (said["job.id"], said["job.url"]) == (str(IDS["job_id"]), "https://example.org/page")
        assert (said["job.stage"], said["http.response.status_code"]) == ("chunk", 200)
        assert said["http.request_id"]
        reply = decode(answer.headers, answer.content)
        assert reply.extensions["traceparent"] == f"00-{cause.trace_id}-{span_id(span)}-01"
        assert reply.extensions["joburl"] == "https://example.org/page"
        assert {parent_id(recorded.one(name)) for name in ("object get", "object put")} == {span_id(span)}
        assert not [one.name for one in recorded.spans() if strangers(one.attributes or {})]


async def test_without_telemetry_the_reply_still_belongs_to_the_trace(world: World) -> None:
    text = await world.stored(TEXT.encode())
    cause = TraceContext("c" * 32, "d" * 16)
    with entered(cause):
        answer = await world.ask(text)
    assert decode(answer.headers, answer.content).extensions["traceparent"] == cause.format()
