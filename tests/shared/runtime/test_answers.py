"""What a function answers, the same under our host and under functions-framework."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.envelope import from_event, to_event
from shared.contracts.jobs import JobCompleted, JobCounts
from shared.contracts.payload import Payload
from shared.contracts.stages import ChunkRequested, DocumentChunked, DocumentEmbedded, PipelineTick, StageFailed
from shared.events.codec import BATCH, STRUCTURED, decode, encode_binary, encode_structured
from shared.events.event import CloudEvent
from shared.events.signing import Signer
from tests.shared.runtime.echo import KEY, REF
from tests.shared.runtime.processes import running

SIGNER = Signer([KEY])
IDS: dict[str, Any] = {"job_id": UUID(int=1), "document_id": UUID(int=2), "token": 3}
CHUNK = ChunkRequested(**IDS, corpus_id=UUID(int=4), text=REF, max_tokens=250, overlap_tokens=0)
EMBEDDED = DocumentEmbedded(**IDS, chunks=1, tokens=9, model="m", dimension=384)
PREFER = {"prefer": "reply"}


@pytest.fixture(scope="module", params=["host", "framework"])
def client(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    with running(request.param) as echo, httpx.Client(base_url=echo.url, trust_env=False) as http:
        yield http


def event_of(payload: Payload) -> CloudEvent:
    return SIGNER.sign(to_event(payload, source="/functions/test", cause=None, time=datetime.now(UTC)))


def post_event(client: httpx.Client, event: CloudEvent, path: str = "/", **more: str) -> httpx.Response:
    headers, body = encode_binary(event)
    return client.post(path, content=body, headers=dict(headers) | more)


def failed(kind: str = "", code: str = "asked", wait_s: float | None = None) -> CloudEvent:
    stage = StageFailed(**IDS, stage="chunking", kind="transient", code=code, message=kind, retry_after_s=wait_s)
    return event_of(stage)


def is_refused(response: httpx.Response, status: int, code: str) -> bool:
    assert len(response.content) <= 768
    assert response.headers["content-type"] == "application/json"
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert "secret" not in response.text
    return True


@pytest.mark.parametrize("path", ["/", "/any/where"])
def test_an_event_without_a_reply_is_answered_by_nothing(client: httpx.Client, path: str) -> None:
    answer = post_event(client, event_of(EMBEDDED), path)
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_reply_is_one_signed_event(client: httpx.Client) -> None:
    cause = event_of(CHUNK)
    answer = post_event(client, cause, **PREFER)
    reply = decode(answer.headers, answer.content)
    SIGNER.verify(reply)
    payload = from_event(reply)
    assert answer.status_code == 200
    assert isinstance(payload, DocumentChunked)
    assert (reply.source, payload.chunker) == ("/functions/echo", "/functions/test")
    again = post_event(client, cause, **PREFER)
    assert decode(again.headers, again.content).id == reply.id


def test_a_structured_event_is_as_good(client: httpx.Client) -> None:
    body = encode_structured(event_of(EMBEDDED))
    assert client.post("/", content=body, headers={"content-type": STRUCTURED}).status_code == 204


def test_a_broker_may_add_extensions(client: httpx.Client) -> None:
    marks = {"ce-knativearrivaltime": "2026-11-21T01:42:27.302341911Z", "kn-namespace": "sluice"}
    assert post_event(client, event_of(EMBEDDED), **marks).status_code == 204


@pytest.mark.parametrize("name", [PipelineTick.event_type, "dev.knative.sources.ping"])
def test_a_tick_needs_no_signature(client: httpx.Client, name: str) -> None:
    tick = CloudEvent(id="1", source="/apis/v1/namespaces/sluice/pingsources/tick", type=name, data={})
    assert post_event(client, tick).status_code == 204


def test_an_unsigned_event_is_refused(client: httpx.Client) -> None:
    event = to_event(EMBEDDED, source="/functions/embed", cause=None, time=datetime.now(UTC))
    assert is_refused(post_event(client, event), 401, "event_unsigned")


def test_a_tampered_event_is_refused(client: httpx.Client) -> None:
    headers, body = encode_binary(event_of(EMBEDDED))
    forged = body.replace(b'"chunks":1', b'"chunks":2')
    assert forged != body
    assert is_refused(client.post("/", content=forged, headers=dict(headers)), 401, "event_signature_invalid")


def test_too_large_an_event_is_refused(client: httpx.Client) -> None:
    headers, _ = encode_binary(event_of(EMBEDDED))
    answer = client.post("/", content=b'"' + b"x" * 70_000 + b'"', headers=dict(headers))
    assert is_refused(answer, 413, "event_too_large")


@pytest.mark.parametrize("name", ["dev.sluice.chunk.requested.v9", "com.example.secret", JobCompleted.event_type])
def test_an_unknown_type_or_version_is_refused(client: httpx.Client, name: str) -> None:
    event = SIGNER.sign(CloudEvent(id="1", source="/s", type=name, data={}))
    assert is_refused(post_event(client, event), 400, "unknown_event_type")


def test_a_type_for_somebody_else_is_refused(client: httpx.Client) -> None:
    ended = JobCompleted(
        job_id=UUID(int=1), caller_id="c", corpus="x", status="completed", counts=JobCounts(), seconds=1
    )
    assert is_refused(post_event(client, event_of(ended)), 400, "unknown_event_type")


def test_signed_nonsense_is_refused_by_the_name_of_its_field(client: httpx.Client) -> None:
    event = SIGNER.sign(CloudEvent(id="1", source="/s", type=EMBEDDED.event_type, data={"job_id": "secret"}))
    answer = post_event(client, event)
    assert is_refused(answer, 400, "event_data_invalid")
    assert answer.json()["field"] == "data.job_id"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"content-type": BATCH}, b"[]", "event_batch"),
        ({"content-type": STRUCTURED}, b"{secret", "event_not_json"),
        ({"ce-type": "t"}, b"", "event_attribute_missing"),
        ({"ce-secret_name": "x", "ce-specversion": "1.0"}, b"", "event_attribute_missing"),
    ],
)
def test_what_is_not_quite_an_event_is_refused(
    client: httpx.Client, headers: dict[str, str], body: bytes, code: str
) -> None:
    assert is_refused(client.post("/", content=body, headers=headers), 400, code)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *[("InvalidInput", 400), ("PermissionDenied", 403), ("NotFound", 422), ("Conflict", 422), ("Permanent", 422)],
        *[("Overloaded", 429), ("Unavailable", 503), ("Transient", 503), ("Interrupted", 503)],
        ("DeadlineExceeded", 504),
    ],
)
def test_a_failed_event_is_retried_only_if_that_can_help(client: httpx.Client, kind: str, status: int) -> None:
    assert is_refused(post_event(client, failed(kind)), status, "asked_for")


def test_a_wait_that_was_asked_for_is_passed_on(client: httpx.Client) -> None:
    assert post_event(client, failed("Unavailable", wait_s=2.5)).headers["retry-after"] == "3"


def test_an_unforeseen_failure_tells_nothing(client: httpx.Client) -> None:
    answer = post_event(client, failed(code="other"))
    assert (answer.status_code, answer.content) == (500, b'{"error":"internal_error"}')


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_json_is_answered_by_json_to_a_known_caller(client: httpx.Client, content_type: str) -> None:
    headers = {"x-api-key": "good", "content-type": content_type, "x-request-id": "mine-1"}
    answer = client.post("/", content=b'{"a": [1]}', headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "mine-1")
    assert answer.json() == {"caller": "caller-1", "value": {"a": [1]}}


def test_json_without_a_good_key_is_refused(client: httpx.Client) -> None:
    assert is_refused(client.post("/", json={}), 401, "key_missing")
    assert is_refused(client.post("/", json={}, headers={"x-api-key": "secret"}), 401, "key_refused")


@pytest.mark.parametrize("body", [b"", b"{secret", b"\xff", b"[" * 5000], ids=repr)
def test_what_is_no_json_is_refused(client: httpx.Client, body: bytes) -> None:
    assert is_refused(client.post("/", content=body, headers={"x-api-key": "good"}), 400, "body_not_json")


@pytest.mark.parametrize(("kind", "status"), [("NotFound", 404), ("Conflict", 409), ("Overloaded", 429)])
def test_a_caller_learns_what_went_wrong(client: httpx.Client, kind: str, status: int) -> None:
    assert is_refused(client.post("/", json={"raise": kind}, headers={"x-api-key": "good"}), status, "asked_for")


@pytest.mark.parametrize("size", [320 * 1024, 3 * 1024 * 1024, 20 * 1024 * 1024])
def test_too_large_a_body_is_refused_and_read_by_the_client(client: httpx.Client, size: int) -> None:
    answer = client.post("/", content=iter([b"x" * 65536] * (size // 65536)), headers={"x-api-key": "good"})
    assert is_refused(answer, 413, "body_too_large")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/_/health", "/_/ready"])
def test_probes_answer_get_and_head(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200
    assert client.head(path).content == b""


def test_routes_of_its_own(client: httpx.Client) -> None:
    answer = client.post("/raw", content=b"\x00\x01")
    assert (answer.status_code, answer.content) == (201, b"\x00\x01")
    assert client.get("/raw?q=1").content == b"q=1"


@pytest.mark.parametrize(("method", "path", "allow"), [("GET", "/", "POST"), ("PUT", "/x", "POST")])
def test_other_methods_are_refused(client: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = client.request(method, path)
    assert is_refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


def test_a_connection_serves_many_requests(client: httpx.Client) -> None:
    used = {id(client.get("/healthz").extensions["network_stream"]) for _ in range(3)}
    assert len(used) == 1


def test_conforms_as_the_framework_s_http_function_does(client: httpx.Client) -> None:
    """Its conformance client posts JSON and expects it back, then an event in either mode and a 2xx."""
    value = {"function": base64.b64encode(b"validate").decode(), "n": 1}
    echoed = client.post("/", content=json.dumps(value), headers={"x-api-key": "good"})
    assert echoed.json()["value"] == value
    assert post_event(client, event_of(EMBEDDED)).is_success
