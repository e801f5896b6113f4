"""OTLP over HTTP, from the side that receives: a request's body as spans, and the answers that its sender understands.

Whoever sends is a program with a bug as often as not: a span that cannot be one is left out and counted, the others are
kept. What is kept of one span is bounded.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from observe.received import Link, Span

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1 import trace_pb2

Encoding: TypeAlias = Literal["protobuf", "json"]

LONGEST_NAME: Final = 256
LONGEST_TEXT: Final = 4096
MOST_ATTRIBUTES: Final = 128
MOST_LINKS: Final = 32
MOST_ELEMENTS: Final = 64
DEEPEST: Final = 4
_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_FAILED: Final = 2
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNAVAILABLE = 3, 8, 14
_RPC_CODES: Final = {413: _RESOURCE_EXHAUSTED, 503: _UNAVAILABLE}
_LATEST_NS: Final = 2**63 - 1
# Where OTLP's JSON has hex digits, and protobuf's own JSON would have base64.
_IDS: Final = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


class Malformed(Exception):
    """The text says what is wrong with the body, without repeating it."""


@dataclass(frozen=True, slots=True)
class Received:
    """`left_out` counts what was no span."""

    spans: tuple[Span, ...]
    left_out: int = 0


def decode_traces(body: bytes, encoding: Encoding) -> Received:
    """Raises `Malformed`."""
    request = _from_json(body) if encoding == "json" else _from_protobuf(body)
    made, left_out = [], 0
    for resource in request.resource_spans:
        about = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for raw in scope.spans:
                span = _span(raw, about)
                if span is None:
                    left_out += 1
                else:
                    made.append(span)
    return Received(tuple(made), left_out)


def accepted(encoding: Encoding, left_out: int = 0) -> bytes:
    """The answer to a request that was taken."""
    answer = ExportTraceServiceResponse()
    if left_out:
        answer.partial_success.rejected_spans = left_out
        answer.partial_success.error_message = "a span has an id of trace and span, a name, and times after 1970"
    return _encoded(answer, encoding)


def refused(encoding: Encoding, status: int, sentence: str) -> bytes:
    """The body of a refusal: its sender finds the sentence where it looks for one."""
    return _encoded(Status(code=_RPC_CODES.get(status, _INVALID_ARGUMENT), message=sentence), encoding)


def _encoded(message: "Message", encoding: Encoding) -> bytes:
    if encoding == "protobuf":
        packed: bytes = message.SerializeToString()
        return packed
    return json.dumps(json_format.MessageToDict(message)).encode()


def _from_protobuf(body: bytes) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as exc:
        raise Malformed("the body is no ExportTraceServiceRequest in protobuf") from exc
    return request


def _from_json(body: bytes) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    try:
        given = json.loads(body)
        if not isinstance(given, dict):
            raise Malformed("the body must be a JSON object with resourceSpans")
        for span in _json_spans(given):
            _hex_to_base64(span)
        json_format.ParseDict(given, request, ignore_unknown_fields=True)
    except json_format.ParseError as exc:
        raise Malformed("the body is no ExportTraceServiceRequest in JSON") from exc
    except (ValueError, RecursionError) as exc:
        raise Malformed("the body is not JSON, or is nested too deeply") from exc
    return request


def _json_spans(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every span, and every link of one: whatever has ids."""
    for resource in _objects(given, "resourceSpans", "resource_spans"):
        for scope in _objects(resource, "scopeSpans", "scope_spans"):
            for span in _objects(scope, "spans"):
                yield span
                yield from _objects(span, "links")


def _objects(holder: Mapping[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        found = holder.get(name)
        if isinstance(found, list):
            yield from (each for each in found if isinstance(each, dict))


def _hex_to_base64(holder: dict[str, Any]) -> None:
    for name in _IDS:
        if isinstance(digits := holder.get(name), str):
            try:
                holder[name] = base64.b64encode(bytes.fromhex(digits)).decode()
            except (ValueError, binascii.Error):
                holder[name] = ""


def _span(raw: "trace_pb2.Span", about: Mapping[str, Any]) -> Span | None:
    good_ids = _is_id(raw.trace_id, 16) and _is_id(raw.span_id, 8)
    if not good_ids or not raw.name or not 0 < raw.start_time_unix_nano <= _LATEST_NS:
        return None
    return Span(
        trace_id=raw.trace_id.hex(),
        span_id=raw.span_id.hex(),
        parent_id=raw.parent_span_id.hex() if _is_id(raw.parent_span_id, 8) else None,
        name=raw.name[:LONGEST_NAME],
        kind=_KINDS[raw.kind] if 0 <= raw.kind < len(_KINDS) else _KINDS[0],
        service=str(about.get("service.name", "unknown"))[:LONGEST_NAME],
        start_ns=raw.start_time_unix_nano,
        end_ns=min(max(raw.start_time_unix_nano, raw.end_time_unix_nano), _LATEST_NS),
        failed=raw.status.code == _FAILED,
        message=raw.status.message[:LONGEST_TEXT],
        instance=str(about.get("service.instance.id", ""))[:LONGEST_NAME],
        attributes=_attributes(raw.attributes),
        links=tuple(_links(raw.links[:MOST_LINKS])),
    )


def _links(raw: Iterable["trace_pb2.Span.Link"]) -> Iterator[Link]:
    for link in raw:
        if _is_id(link.trace_id, 16) and _is_id(link.span_id, 8):
            yield Link(link.trace_id.hex(), link.span_id.hex())


def _is_id(given: bytes, length: int) -> bool:
    return len(given) == length and any(given)


def _attributes(given: Sequence["KeyValue"], depth: int = 0) -> dict[str, Any]:
    return {pair.key[:LONGEST_NAME]: _value(pair.value, depth) for pair in given[:MOST_ATTRIBUTES]}


def _value(value: "AnyValue", depth: int) -> Any:  # noqa: ANN401 - JSON
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value[:LONGEST_TEXT]
    if kind == "bytes_value":
        return value.bytes_value[:LONGEST_TEXT].hex()
    if kind is None or depth >= DEEPEST:
        return None
    if kind == "array_value":
        return [_value(each, depth + 1) for each in value.array_value.values[:MOST_ELEMENTS]]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values, depth + 1)
    plain = getattr(value, kind)
    return plain if kind != "double_value" or isfinite(plain) else str(plain)
