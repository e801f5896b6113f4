"""A receiver of OTLP over HTTP, as small as the protocol allows: what a collector is for our processes."""

import gzip
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from starlette.requests import Request
from starlette.responses import Response

from tests.local_http import asgi, serving

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
ERROR = 2


@dataclass(frozen=True)
class ArrivedSpan:
    """Ids are hex digits, times are seconds since 1970; `links` are spans of other traces."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    began_s: float
    ended_s: float
    attributes: dict[str, object]
    links: tuple[tuple[str, str], ...]
    failed: bool
    resource: dict[str, object]

    @property
    def service(self) -> str:
        return str(self.resource["service.name"])


@dataclass
class Receiver:
    """`status` is what it answers."""

    url: str = ""
    status: int = 200
    spans: list[ArrivedSpan] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        body = await request.body()
        if self.status != 200:
            return Response(status_code=self.status)
        assert request.url.path == "/v1/traces"
        content = gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body
        self.spans += arrived(ExportTraceServiceRequest.FromString(content))
        return Response(b"", media_type="application/x-protobuf")

    def of(self, trace_id: str) -> list[ArrivedSpan]:
        return [span for span in self.spans if span.trace_id == trace_id]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with serving(asgi(made.take)) as url:
        made.url = url
        yield made


@contextmanager
def taking(answer: Callable[[], object] = lambda: None) -> Iterator[tuple[str, list[ArrivedSpan]]]:
    """A receiver in a thread; `answer` may take its time."""
    spans: list[ArrivedSpan] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer()
            spans.extend(arrived(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Requests are no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        server.server_close()


def arrived(request: ExportTraceServiceRequest) -> Iterator[ArrivedSpan]:
    for of_resource in request.resource_spans:
        resource = _values(of_resource.resource.attributes)
        for scope in of_resource.scope_spans:
            for span in scope.spans:
                yield _span(span, resource)


def _span(span: Sent, resource: dict[str, object]) -> ArrivedSpan:
    return ArrivedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        name=span.name,
        kind=KINDS[span.kind],
        began_s=span.start_time_unix_nano / 1e9,
        ended_s=span.end_time_unix_nano / 1e9,
        attributes=_values(span.attributes),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == ERROR,
        resource=resource,
    )


def _values(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in pairs}
