"""A function and whoever takes its spans: they leave before the process ends, and it waits for nobody long."""

import signal
import threading
import time

import httpx

from tests.fakes.otlp import taking
from tests.local_http import closed_port
from tests.processes import wait_until
from tests.shared.runtime.processes import Running, running

# So that nothing leaves before it is asked for.
NEVER_MS = "3600000"
FLUSH_S = 3.0


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
