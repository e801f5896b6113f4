"""What a process of the test itself has recorded, as OpenTelemetry's own in-memory exporter holds it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from observe import tracing


class Recorded:
    """Spans in the order in which they ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def spans(self) -> tuple[ReadableSpan, ...]:
        assert tracing.flush(30)
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        found = self.named(name)
        assert len(found) == 1, f"{name}: {len(found)} among {[span.name for span in self.spans()]}"
        return found[0]


@contextmanager
def recording(variables: Mapping[str, str] | None = None) -> Iterator[Recorded]:
    """Telemetry is on inside, and off again after."""
    exporter = InMemorySpanExporter()
    tracing.setup("test", variables or {}, exporter)
    try:
        yield Recorded(exporter)
    finally:
        tracing.setup("test", {})


def span_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def trace_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def parent_id(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"
