"""The span of what a function is asked: whose child it is, what it is about, and how it ended."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from observe.vocabulary import strangers
from shared.contracts.envelope import to_event
from shared.contracts.jobs import JobCancelRequested
from shared.contracts.payload import Payload
from shared.contracts.stages import PipelineTick, StageFailed
from shared.events.codec import encode_binary
from shared.events.signing import Signer
from shared.runtime.app import FunctionApp
from tests.fakes.telemetry import Recorded, parent_id, recording, span_id, trace_id
from tests.shared.runtime.echo import KEY, function
from tests.shared.runtime.test_app import app_of, arriving, send_to

TRACE, CALLER = "5" * 32, "6" * 16
ASKED = [(b"traceparent", f"00-{TRACE}-{CALLER}-01".encode()), (b"x-request-id", b"asked-by-a-test")]
KNOWN = [*ASKED, (b"x-api-key", b"good")]
App: TypeAlias = FunctionApp[list[str]]
EMITTED = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as made:
        yield made


@pytest.fixture
async def app(recorded: Recorded) -> AsyncIterator[App]:
    async with app_of(function([])) as opened:
        yield opened


async def answered(app: App, body: bytes, headers: list[tuple[bytes, bytes]], path: str = "/") -> int:
    start, *_ = await send_to(app, arriving(body), headers, path=path)
    status: int = start["status"]
    return status


async def sent(app: App, payload: Payload) -> int:
    event = to_event(payload, source="/gateway", cause=None, time=datetime.now(UTC), traceparent=EMITTED)
    headers, body = encode_binary(Signer([KEY]).sign(event))
    return await answered(app, body, [*((n.encode(), v.encode()) for n, v in headers), *ASKED])


def said(span: ReadableSpan) -> dict[str, Any]:
    found = dict(span.attributes or {})
    assert strangers(found) == {}
    return found


async def test_a_call_is_a_child_of_its_caller(app: App, recorded: Recorded) -> None:
    assert await answered(app, b"{}", KNOWN) == 200
    span = recorded.one("echo")
    assert (trace_id(span), parent_id(span), span.kind) == (TRACE, CALLER, SpanKind.SERVER)
    assert span.status.status_code is StatusCode.UNSET
    told = said(span)
    assert told.pop("faas.coldstart"), "it waited for the function to open"
    assert told == {
        "http.request.method": "POST",
        "http.route": "/",
        "http.request_id": "asked-by-a-test",
        "http.response.status_code": 200,
        "request.mode": "sync",
        "caller.type": "unknown",
    }
    assert parent_id(recorded.one("cold start")) == span_id(span)
    assert await answered(app, b"", ASKED, "/raw") == 201
    assert said(recorded.one("POST /raw"))["http.route"] == "/raw"
    assert len(recorded.named("cold start")) == 1, "told once"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{}", ASKED, 401, "key_missing"),
        (b"{}", [*ASKED, (b"x-api-key", b"bad")], 401, "key_refused"),
        (b"no json", KNOWN, 400, "body_not_json"),
        (json.dumps({"raise": "NotFound"}).encode(), KNOWN, 404, "asked_for"),
        (json.dumps({"raise": "Overloaded"}).encode(), KNOWN, 429, "asked_for"),
    ],
)
async def test_what_a_caller_did_wrong_is_no_error_of_ours(
    app: App,
    recorded: Recorded,
    body: bytes,
    headers: list[tuple[bytes, bytes]],
    status: int,
    code: str,
) -> None:
    assert await answered(app, body, headers) == status
    span = recorded.one("echo")
    assert span.status.status_code is StatusCode.UNSET
    assert (said(span)["http.response.status_code"], said(span)["error.type"]) == (status, code)


async def test_what_is_our_own_fault_is_marked(app: App, recorded: Recorded) -> None:
    assert await answered(app, json.dumps({"raise": "Unavailable"}).encode(), KNOWN) == 503
    span = recorded.one("echo")
    assert span.status.status_code is StatusCode.ERROR
    assert (said(span)["http.response.status_code"], said(span)["error.type"]) == (503, "asked_for")


async def test_an_event_is_a_child_of_the_span_that_it_left(app: App, recorded: Recorded) -> None:
    """Whoever carries it has a trace, too."""
    assert await sent(app, JobCancelRequested(job_id=UUID(int=1), caller_id="c")) == 200
    span = recorded.one("job.cancel_requested")
    assert (trace_id(span), parent_id(span), span.kind) == ("a" * 32, "b" * 16, SpanKind.CONSUMER)
    told = said(span)
    assert (told["cloudevents.event_source"], told["messaging.operation.type"]) == ("/gateway", "process")
    assert (told["job.id"], told["http.response.status_code"]) == (str(UUID(int=1)), 200)


@pytest.mark.parametrize(
    ("code", "status", "error"), [("asked", 400, "asked_for"), ("unasked", 500, "ValueError")], ids=["refused", "bug"]
)
async def test_an_event_that_fails_is_an_error_whoever_is_to_blame(
    app: App, recorded: Recorded, code: str, status: int, error: str
) -> None:
    names: dict[str, Any] = {"job_id": UUID(int=1), "document_id": UUID(int=2), "token": 1, "stage": "scraping"}
    assert await sent(app, StageFailed(**names, kind="permanent", code=code, message="InvalidInput")) == status
    span = recorded.one("stage.failed")
    assert (span.status.status_code, said(span)["error.type"]) == (StatusCode.ERROR, error)
    assert "secret-stack" not in span.to_json()


async def test_ticks_and_probes_are_nobody_s(app: App, recorded: Recorded) -> None:
    assert await sent(app, PipelineTick()) == 204
    for path in ("/healthz", "/readyz", "/metrics"):
        await send_to(app, arriving(b""), ASKED, "GET", path)
    assert recorded.spans() == ()
