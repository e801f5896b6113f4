"""A function and whoever takes its spans: they leave before the process ends, and it waits for nobody long."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.fakes.otlp import ArrivedSpan, arrived
from tests.local_http import closed_port
from tests.processes import wait_until
from tests.shared.runtime.processes import Running, running

# So that nothing leaves before it is asked for.
NEVER_MS = "3600000"
FLUSH_S = 3.0


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


def call(echo: Running) -> httpx.Response:
    caller = {"x-api-key": "good", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    return httpx.post(echo.url, json={"sleep_s": 0}, headers=caller, trust_env=False, timeout=30)


def ended(echo: Running) -> float:
    """Seconds from the signal to the end, which must be a good one."""
    began = time.monotonic()
    echo.process.send_signal(signal.SIGTERM)
    code, _, log = echo.stop()
    assert code == 0, log
    return time.monotonic() - began


def test_what_was_recorded_leaves_before_the_process_ends() -> None:
    with taking() as (url, spans):
        with running("host", OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY=NEVER_MS) as echo:
            assert call(echo).status_code == 200
            assert spans == []
            ended(echo)
        found = {span.name: span for span in spans}
    assert (found["echo"].trace_id, found["echo"].parent_id) == ("a" * 32, "b" * 16)
    assert found["cold start"].parent_id == found["echo"].span_id
    assert found["echo"].attributes["faas.coldstart"] is True
    assert found["echo"].service == "echo"


def test_a_receiver_that_hangs_keeps_nobody_alive() -> None:
    hanging = threading.Event()
    with taking(lambda: hanging.wait(60)) as (url, _):
        with running("host", OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="50") as echo:
            answers = [call(echo).status_code for _ in range(20)]
            took_s = ended(echo)
        hanging.set()
    assert answers == [200] * 20
    assert took_s < FLUSH_S + 15, "the bound, and a loaded machine"


def test_what_nobody_takes_is_counted() -> None:
    nobody = f"http://127.0.0.1:{closed_port()}"
    settings = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"}
    with running("host", OTEL_EXPORTER_OTLP_ENDPOINT=nobody, **settings) as echo:
        assert call(echo).status_code == 200
        line = 'sluice_telemetry_dropped_total{signal="traces",reason="export_failed"} '
        wait_until(lambda: line in httpx.get(f"{echo.url}/metrics", trust_env=False).text)
