"""The statuses of the real ingress, and what a subscriber gets to see."""

import re
from pathlib import Path
from typing import Any

import pytest

from emulator.broker.reading import MAX_EVENT_BYTES
from tests.emulator.broker.world import eventing, request, world
from tests.shared_data import path

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "content-type": "application/json"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
ENVELOPE = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}'


def but(*missing: str, **changed: str) -> dict[str, str]:
    given = EVENT | {name.replace("_", "-", 1): value for name, value in changed.items()}
    return {name: value for name, value in given.items() if name not in missing}


Case = tuple[str, str, dict[str, str], bytes]
DEFAULT = "/ns/default"
# The requests behind the recorded lines, by the recording's own names.
REQUESTS: dict[str, Case] = {
    "valid binary": ("POST", DEFAULT, EVENT, b'{"a":1}'),
    "valid structured": ("POST", DEFAULT, STRUCTURED, ENVELOPE),
    "structured charset": ("POST", DEFAULT, {"content-type": "application/cloudevents+json; charset=utf-8"}, ENVELOPE),
    "batch": ("POST", DEFAULT, {"content-type": "application/cloudevents-batch+json"}, b"[" + ENVELOPE + b"]"),
    "plain json, no ce": ("POST", DEFAULT, {"content-type": "application/json"}, b"{}"),
    "missing id": ("POST", DEFAULT, but("ce-id"), b"{}"),
    "missing type": ("POST", DEFAULT, but("ce-type"), b"{}"),
    "missing source": ("POST", DEFAULT, but("ce-source"), b"{}"),
    "missing specversion": ("POST", DEFAULT, but("ce-specversion"), b"{}"),
    "specversion 0.3": ("POST", DEFAULT, but(ce_specversion="0.3"), b"{}"),
    "specversion 9000.1": ("POST", DEFAULT, but(ce_specversion="9000.1"), b"{}"),
    "bad structured json": ("POST", DEFAULT, STRUCTURED, b'{"specversion":"1.0",'),
    "binary, body not JSON": ("POST", DEFAULT, EVENT, b"not json"),
    "bad ce-time": ("POST", DEFAULT, but(ce_time="yesterday"), b"{}"),
    "uppercase extension": ("POST", DEFAULT, EVENT | {"ce-MyExt": "v"}, b"{}"),
    "extension with underscore": ("POST", DEFAULT, EVENT | {"ce-my_ext": "v"}, b"{}"),
    "GET": ("GET", DEFAULT, {}, b""),
    "OPTIONS": ("OPTIONS", DEFAULT, {}, b""),
    "PUT": ("PUT", DEFAULT, EVENT, b"{}"),
    "path /": ("POST", "/", EVENT, b"{}"),
    "path /ns": ("POST", "/ns", EVENT, b"{}"),
    "path /ns/default/": ("POST", "/ns/default/", EVENT, b"{}"),
    "path /ns/default?x=1": ("POST", "/ns/default?x=1", EVENT, b"{}"),
    "unknown broker": ("POST", "/ns/other", EVENT, b"{}"),
    "path 3 deep": ("POST", "/a/b/c", EVENT, b"{}"),
    "ce-knativebrokerttl: 1": ("POST", DEFAULT, EVENT | {"ce-knativebrokerttl": "1"}, b"{}"),
    "ce-knativebrokerttl: 2": ("POST", DEFAULT, EVENT | {"ce-knativebrokerttl": "2"}, b"{}"),
    "ce-knativebrokerttl: abc": ("POST", DEFAULT, EVENT | {"ce-knativebrokerttl": "abc"}, b"{}"),
    "empty body no content-type": ("POST", DEFAULT, but("content-type"), b""),
    "12 MB body": ("POST", DEFAULT, EVENT, b'"' + b"x" * 12_000_000 + b'"'),
}
_LINE = re.compile(r"(.+?) +-> (\d+) allow=(.*) b'' delivered=(\d)")


def recorded() -> list[tuple[str, int, str, int]]:
    try:
        lines = path("golden/knative/ingress_status.txt").read_text().splitlines()
    except pytest.skip.Exception:
        return []
    found = [_LINE.fullmatch(line) for line in lines]
    return [(match[1], int(match[2]), match[3], int(match[4])) for match in found if match]


@pytest.mark.parametrize(("name", "status", "allow", "delivered"), recorded(), ids=[line[0] for line in recorded()])
async def test_the_ingress_answers_as_recorded(
    name: str, status: int, allow: str, delivered: int, tmp_path: Path
) -> None:
    method, where, headers, body = REQUESTS[name]
    async with world(eventing({"a": {}}), tmp_path) as made:
        found, answered = await made.clock.run(request(made.brokers, method, where, headers, body))
        await made.clock.run_out()
    assert found == status
    assert answered["allow"] == allow
    assert len(made.subscribers.requests) == delivered


def test_every_recorded_request_is_replayed() -> None:
    path("golden/knative/ingress_status.txt")
    assert {line[0] for line in recorded()} == REQUESTS.keys()
    assert len(recorded()) == 30


@pytest.mark.parametrize("declared", [True, False])
async def test_an_event_beyond_all_measure_is_refused_unread(declared: bool, tmp_path: Path) -> None:
    """The real ingress has no bound; ours holds every event until it is delivered."""
    taken, statuses = 0, []

    async def receive() -> Any:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": True}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async with world(eventing({"a": {}}), tmp_path) as made:
        headers = [(name.encode(), value.encode()) for name, value in EVENT.items()]
        headers += [(b"content-length", b"%d" % (MAX_EVENT_BYTES + 1))] if declared else []
        scope = {"type": "http", "method": "POST", "path": "/broker/ns/default", "headers": headers}
        await made.brokers(scope, receive, send)
    assert statuses[0] == 413
    assert taken == (0 if declared else MAX_EVENT_BYTES // 1_000_000 + 1)


async def test_options_lets_any_webhook_in(tmp_path: Path) -> None:
    async with world(eventing({}), tmp_path) as made:
        _, headers = await request(made.brokers, "OPTIONS", DEFAULT)
    assert headers["webhook-allowed-origin"] == headers["webhook-allowed-rate"] == "*"


async def test_a_subscriber_sees_the_recorded_headers(tmp_path: Path) -> None:
    extra = {
        "ce-myext": "v",
        "ce-subject": "doc%201",
        "knative-foo": "z",
        "x-b3-traceid": "b3",
        "x-request-id": "rid",
        "authorization": "Bearer secret",
        "x-custom": "c",
        "prefer": "return=minimal",
    }
    async with world(eventing({"a": {}}), tmp_path) as made:
        await made.post(EVENT | extra, b'{"a":1}')
        await made.clock.run_out()
    (sent,) = made.subscribers.requests
    text = path("golden/knative/ingress_status.txt").read_text().partition("as the subscriber sees them")[2]
    wanted = dict(line.strip().split(": ", 1) for line in text.strip().splitlines())
    for transport in ("accept-encoding", "content-length", "host", "user-agent"):
        del wanted[transport]
    found = dict(sent.headers)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", found.pop("ce-knativearrivaltime"))
    del wanted["ce-knativearrivaltime"]
    assert found == wanted


@pytest.mark.parametrize(
    ("envelope", "content_type", "body"),
    [
        ('"data": {"b" : [1.10, "é"]}', "application/json", '{"b" : [1.10, "é"]}'.encode()),
        ('"data": "text", "datacontenttype": "text/plain"', "text/plain", b"text"),
        ('"data": "text"', "application/json", b'"text"'),
        ('"data_base64": "AAH/", "datacontenttype": "image/png"', "image/png", b"\0\1\xff"),
        ('"subject": "s"', None, b""),
        ('"data": null', None, b""),
    ],
)
async def test_a_structured_event_arrives_in_binary_mode(
    envelope: str, content_type: str | None, body: bytes, tmp_path: Path
) -> None:
    text = f'{{"specversion":"1.0","id":"1","source":"/s","type":"t","count":3,"flag":true,"none":null,{envelope}}}'
    async with world(eventing({"a": {}}), tmp_path) as made:
        assert await made.post(STRUCTURED, text.encode()) == 202
        await made.clock.run_out()
    (sent,) = made.subscribers.requests
    assert (sent.header("content-type"), sent.body) == (content_type, body)
    assert (sent.header("ce-count"), sent.header("ce-flag"), sent.header("ce-none")) == ("3", "true", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"specversion":"1.0","id":1.5,"source":"/s","type":"t"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","x":{}}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":NaN}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"?"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","x_y":"z"}',
        b"[" * 100_000,
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + b"[" * 100_000,
    ],
)
async def test_nonsense_in_structured_mode_is_refused(body: bytes, tmp_path: Path) -> None:
    async with world(eventing({"a": {}}), tmp_path) as made:
        assert await made.post(STRUCTURED, body) == 400


async def test_text_that_no_header_can_hold_is_encoded(tmp_path: Path) -> None:
    text = '{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"é\\r\\nx: y"}'
    async with world(eventing({"a": {}}), tmp_path) as made:
        await made.post(STRUCTURED, text.encode())
        await made.clock.run_out()
    assert made.subscribers.requests[0].header("ce-subject") == "%C3%A9%0D%0Ax: y"


async def test_time_travels_in_utc_as_the_real_one_writes_it(tmp_path: Path) -> None:
    async with world(eventing({"a": {}}), tmp_path) as made:
        await made.post(EVENT | {"ce-time": "2026-01-02T03:04:05.120+02:00"})
        await made.clock.run_out()
    assert made.subscribers.requests[0].header("ce-time") == "2026-01-02T01:04:05.12Z"


async def test_a_producer_that_leaves_in_the_middle_sent_nothing(tmp_path: Path) -> None:
    messages: Any = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    statuses: list[int] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async with world(eventing({"a": {}}), tmp_path) as made:
        headers = [(name.encode(), value.encode()) for name, value in EVENT.items()]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/broker/ns/default",
            "query_string": b"",
            "headers": headers,
        }
        await made.brokers(scope, receive, send)
        await made.clock.run_out()
    assert statuses[0] == 400
    assert made.subscribers.requests == []
