"""A function that does as it is told, for the tests of its hosts."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from shared import errors
from shared.auth.context import CallerContext
from shared.contracts.envelope import to_event
from shared.contracts.jobs import JobCancelRequested
from shared.contracts.payload import ObjectRef
from shared.contracts.ports import EventSink
from shared.contracts.stages import ChunkRequested, DocumentChunked, DocumentEmbedded, PipelineTick, StageFailed
from shared.events.event import CloudEvent, Json
from shared.events.signing import Signer
from shared.runtime import host
from shared.runtime.event_endpoint import now
from shared.runtime.framework import as_http_function
from shared.runtime.function import Answer, Function, Limits
from shared.runtime.http import HttpRequest, HttpResponse
from shared.settings import Environment

KEY = b"a-key-for-tests-0123456789"
REF = ObjectRef(key="corpora/c/chunks/x", sha256="0" * 64, size_bytes=3)


class Members:
    """Knows one key."""

    async def authenticate(self, api_key: str, request_id: str) -> CallerContext:
        if api_key != "good":
            raise errors.Unauthenticated("key_refused", "this API key is not known or was revoked")
        return CallerContext("caller-1", scopes=frozenset({"write"}), request_id=request_id)


async def chunk(payload: ChunkRequested, _: list[str], event: CloudEvent) -> DocumentChunked:
    names = {"job_id": payload.job_id, "document_id": payload.document_id, "token": payload.token}
    return DocumentChunked(**names, chunks=REF, count=1, tokens=payload.max_tokens, chunker=event.source)


async def note(payload: DocumentEmbedded, notes: list[str], event: CloudEvent) -> None:
    notes.append(event.id)


async def tick(payload: PipelineTick, notes: list[str], event: CloudEvent) -> None:
    notes.append(event.id)


async def fail(payload: StageFailed, _: list[str], event: CloudEvent) -> None:
    raise (failure(payload.message, payload.retry_after_s) if payload.code == "asked" else ValueError("secret-stack"))


async def cancel(payload: JobCancelRequested, notes: list[str], event: CloudEvent) -> Answer:
    async def sent() -> None:
        notes.append(f"sent {event.id}")

    return Answer(to_event(PipelineTick(), source="/functions/echo", cause=event, time=now()), sent)


async def invoke(value: Json, caller: CallerContext, _: list[str]) -> Json:
    if isinstance(value, dict) and isinstance(kind := value.get("raise"), str):
        raise failure(kind, 7)
    if isinstance(value, dict) and isinstance(seconds := value.get("sleep_s"), int | float):
        await asyncio.sleep(seconds)
    return {"caller": caller.caller_id, "value": value}


async def raw(request: HttpRequest, notes: list[str]) -> HttpResponse:
    return HttpResponse(201, (("x-notes", str(len(notes))),), request.body or request.query.encode())


def failure(kind: str, retry_after_s: float | None) -> errors.SluiceError:
    found: type[errors.SluiceError] = getattr(errors, kind)
    return found("asked_for", "this was asked for", retry_after_s=retry_after_s)


def function(
    notes: list[str], *, publish: EventSink | None = None, limits: Limits | None = None
) -> Function[list[str]]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[list[str]]:
        notes.append("opened")
        yield notes
        notes.append("closed")

    return Function(
        name="echo",
        open=opened,
        events={
            ChunkRequested: chunk,
            DocumentEmbedded: note,
            PipelineTick: tick,
            StageFailed: fail,
            JobCancelRequested: cancel,
        },
        invoke=invoke,
        routes={("GET", "/raw"): raw, ("POST", "/raw"): raw},
        signer=Signer([KEY]),
        unsigned_ok=frozenset({PipelineTick.event_type}),
        membership=Members(),
        publish=publish,
        limits=limits or Limits(body_bytes=256 * 1024),
    )


class Printed(list[str]):
    """Notes that a parent process can read."""

    def append(self, note: str) -> None:
        print(note, flush=True)
        super().append(note)


def build(notes: Sequence[str] = ()) -> Function[list[str]]:
    if os.environ.get("ECHO_CANNOT_OPEN"):
        raise_at_open = function(Printed())
        return Function("echo", cannot_open, events=raise_at_open.events, signer=raise_at_open.signer)
    limits = Limits.read(Environment({"MAX_BODY_BYTES": str(256 * 1024)} | dict(os.environ)))
    return function(Printed(notes), limits=limits)


@asynccontextmanager
async def cannot_open() -> AsyncIterator[list[str]]:
    raise ConnectionError("no database")
    yield []


main = as_http_function(build)

if __name__ == "__main__":
    host.main("echo", build)
