"""What programs send as OTLP, and what is understood of it."""

import json

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from observe import receiving
from observe.received import Link, Span
from observe.receiving import Encoding, Malformed, decode_traces
from tests.emulator.telemetry.made import TRACE, as_json, protobuf, request, span

ENCODINGS: tuple[Encoding, ...] = ("protobuf", "json")


def sent(encoding: Encoding, *spans: Span) -> bytes:
    return protobuf(*spans) if encoding == "protobuf" else as_json(*spans)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_span_is_understood_whole(encoding: Encoding) -> None:
    made = span(
        "fetch",
        parent="document",
        kind="client",
        failed=True,
        message="the server went away",
        attributes={"job.id": "a job"},
        links=(Link("1" * 32, "2" * 16),),
    )
    assert decode_traces(sent(encoding, made), encoding) == receiving.Received((made,))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_no_span_is_left_out_and_the_rest_is_kept(encoding: Encoding) -> None:
    good = span("good")
    message = request([good, span("without a trace"), span("without an id"), span("without a name"), span("timeless")])
    spans = [resource.scope_spans[0].spans[0] for resource in message.resource_spans]
    spans[1].trace_id, spans[2].span_id, spans[3].name, spans[4].start_time_unix_nano = bytes(16), b"12", "", 0
    body = message.SerializeToString()
    if encoding == "json":
        kept = json.loads(as_json(good, *[span("x")] * 4))
        said = [resource["scopeSpans"][0]["spans"][0] for resource in kept["resourceSpans"]]
        said[1]["traceId"], said[2]["spanId"], said[3]["name"], said[4]["startTimeUnixNano"] = "zz", "12", "", "0"
        body = json.dumps(kept).encode()
    assert decode_traces(body, encoding) == receiving.Received((good,), left_out=4)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("protobuf", b"\xff\xff"),
        ("protobuf", b'{"resourceSpans": []}'),
        ("json", b"\xff"),
        ("json", b"[]"),
        ("json", b'{"resourceSpans": 1}'),
        ("json", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 1}]}]}]}'),
        ("json", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}'),
        ("json", b"[" * 100_000),
        ("json", b'{"a":' * 100_000),
    ],
)
def test_what_is_no_request_is_told_in_a_sentence_that_repeats_nothing(encoding: Encoding, body: bytes) -> None:
    with pytest.raises(Malformed, match=r"^the body (is no|must be|is not) "):
        decode_traces(body, encoding)


@pytest.mark.parametrize("kind", [-100, -1, 6, 2**31 - 1])
def test_a_kind_that_nobody_knows_is_none(kind: int) -> None:
    message = request([span("fetch")])
    message.resource_spans[0].scope_spans[0].spans[0].kind = kind
    [kept] = decode_traces(message.SerializeToString(), "protobuf").spans
    assert kept.kind == "unspecified"


def test_an_empty_request_is_a_request() -> None:
    assert decode_traces(b"", "protobuf").spans == decode_traces(b"{}", "json").spans == ()


def test_what_is_kept_of_one_span_is_bounded() -> None:
    message = request([span("n" * 9_000)])
    raw = message.resource_spans[0].scope_spans[0].spans[0]
    for number in range(1_000):
        raw.attributes.add(key=f"key-{number}").value.string_value = "v" * 9_000
    deep = raw.attributes[0].value
    for _ in range(20):
        deep = deep.array_value.values.add()
    deep.string_value = "at the bottom"
    raw.attributes[1].value.double_value = float("nan")
    [kept] = decode_traces(message.SerializeToString(), "protobuf").spans
    assert (len(kept.name), len(kept.attributes)) == (256, 128)
    assert len(kept.attributes["key-5"]) == 4096
    assert kept.attributes["key-0"] == [[[[None]]]]
    json.dumps(kept.attributes, allow_nan=False)


def test_a_message_that_is_nested_without_end_is_refused_and_not_followed() -> None:
    inner = b""
    for _ in range(2_000):  # an array in an array
        inner = b"\x2a" + _length(b"\x0a" + _length(inner))
    attribute = b"\x0a\x01a\x12" + _length(inner)
    body = b"\x0a" + _length(b"\x0a" + _length(b"\x0a" + _length(attribute)))
    with pytest.raises(Malformed):
        decode_traces(body, "protobuf")


def _length(data: bytes) -> bytes:
    head, rest = b"", len(data)
    while rest > 127:
        head += bytes([rest & 127 | 128])
        rest >>= 7
    return head + bytes([rest]) + data


def test_answers_are_what_their_reader_expects() -> None:
    assert receiving.accepted("protobuf") == b""
    assert json.loads(receiving.accepted("json")) == {}
    partly = ExportTraceServiceResponse.FromString(receiving.accepted("protobuf", 3))
    assert partly.partial_success.rejected_spans == 3
    assert Status.FromString(receiving.refused("protobuf", 400, "no")) == Status(code=3, message="no")
    assert json.loads(receiving.refused("json", 503, "busy")) == {"code": 14, "message": "busy"}


def test_the_requests_of_these_tests_are_what_the_specification_says() -> None:
    message = ExportTraceServiceRequest.FromString(protobuf(span("one")))
    assert message.resource_spans[0].scope_spans[0].spans[0].trace_id.hex() == TRACE
