"""Spans, and the requests that carry them, made by hand."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observe.received import Span

TRACE = "0b7c51d600004000800000000000e0aa"
SECOND_NS = 1_000_000_000
BEGAN_NS = 1_790_000_000 * SECOND_NS


def span(
    name: str,
    at_s: float = 0.0,
    for_s: float = 1.0,
    *,
    named: str | None = None,
    parent: str | None = None,
    service: str = "scrape-worker",
    trace: str = TRACE,
    **more: Any,
) -> Span:
    """Begins `at_s` after `BEGAN_NS`. Its id is made of its name unless it is `named` otherwise."""
    begin_ns = BEGAN_NS + round(at_s * SECOND_NS)
    return Span(
        trace_id=trace,
        span_id=span_id(named or name),
        parent_id=None if parent is None else span_id(parent),
        name=name,
        kind=more.pop("kind", "internal"),
        service=service,
        start_ns=begin_ns,
        end_ns=begin_ns + round(for_s * SECOND_NS),
        **more,
    )


def span_id(name: str) -> str:
    return name.encode().hex()[:16].ljust(16, "1")


def request(spans: Iterable[Span]) -> ExportTraceServiceRequest:
    """As an exporter of one process each sends them."""
    message = ExportTraceServiceRequest()
    for each in spans:
        resource = message.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = each.service
        raw = resource.scope_spans.add().spans.add(
            trace_id=bytes.fromhex(each.trace_id),
            span_id=bytes.fromhex(each.span_id),
            parent_span_id=bytes.fromhex(each.parent_id or ""),
            name=each.name,
            kind=("unspecified", "internal", "server", "client", "producer", "consumer").index(each.kind),
            start_time_unix_nano=each.start_ns,
            end_time_unix_nano=each.end_ns,
        )
        raw.status.code = 2 if each.failed else 0
        raw.status.message = each.message
        for key, value in each.attributes.items():
            raw.attributes.add(key=key).value.string_value = str(value)
        for link in each.links:
            raw.links.add(trace_id=bytes.fromhex(link.trace_id), span_id=bytes.fromhex(link.span_id))
    return message


def protobuf(*spans: Span) -> bytes:
    packed: bytes = request(spans).SerializeToString()
    return packed


def as_json(*spans: Span) -> bytes:
    """The same as the specification writes it: ids in hex digits, numbers of 64 bits as text."""
    return json.dumps({"resourceSpans": [_resource(each) for each in spans]}).encode()


def _resource(each: Span) -> Mapping[str, Any]:
    said = {
        "traceId": each.trace_id,
        "spanId": each.span_id,
        "parentSpanId": each.parent_id or "",
        "name": each.name,
        "kind": ("unspecified", "internal", "server", "client", "producer", "consumer").index(each.kind),
        "startTimeUnixNano": str(each.start_ns),
        "endTimeUnixNano": str(each.end_ns),
        "status": {"code": 2 if each.failed else 0, "message": each.message},
        "attributes": [{"key": key, "value": {"stringValue": str(value)}} for key, value in each.attributes.items()],
        "links": [{"traceId": link.trace_id, "spanId": link.span_id} for link in each.links],
        "somethingNew": True,
    }
    name = {"key": "service.name", "value": {"stringValue": each.service}}
    return {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [said]}]}
