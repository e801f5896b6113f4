"""Spans as OpenTelemetry's own SDK and OTLP exporter take them. The only module that imports them, and it is imported
late: by the thread that exports, or by a worker before it forks."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from observe import profiling
from observe.context import TraceContext
from observe.export import Send
from observe.span import Kind, Span

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_SCOPE = InstrumentationScope("sluice")


def sender(resource: Mapping[str, str], exporter: SpanExporter | None = None) -> Send:
    """By default to where OTEL_EXPORTER_OTLP_ENDPOINT says. OTEL_RESOURCE_ATTRIBUTES win over `resource`."""
    # The exporter tells of each try, with an address that may hold a password; we say how many were dropped.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    described = Resource(resource).merge(OTELResourceDetector().detect())
    return partial(_send, described, exporter or OTLPSpanExporter())


def _send(resource: Resource, exporter: SpanExporter, spans: Sequence[Span]) -> bool:
    return exporter.export([_readable(span, resource) for span in spans]) is SpanExportResult.SUCCESS


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    trace = span.context
    parent = None if span.parent_id is None else _context(TraceContext(trace.trace_id, span.parent_id))
    attributes = {str(name): value for name, value in span.attributes.items()}
    if profiling.profiled(trace.span_id):
        attributes["pyroscope.profile.id"] = trace.span_id
    if span.error:
        attributes["error.type"] = span.error
    return ReadableSpan(
        name=span.name,
        context=_context(trace),
        parent=parent,
        resource=resource,
        attributes=attributes,
        links=[Link(_context(link)) for link in span.links],
        kind=_KINDS[span.kind],
        status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
        start_time=span.started_ns,
        end_time=span.ended_ns,
        instrumentation_scope=_SCOPE,
    )


def _context(trace: TraceContext) -> SpanContext:
    return SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=False, trace_flags=_SAMPLED)
