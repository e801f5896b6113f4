"""What a forked wake-up has recorded leaves with it: when it ends or is stopped, and what it can when it is killed."""

import os
import signal
from uuid import uuid4

from observe import context
from observe.context import TraceContext
from shared.workqueue.wake import Waker
from tests.fakes.otlp import ArrivedSpan, taking
from tests.fakes.redis_server import RedisServer
from tests.local_http import closed_port
from tests.numbers import scraped
from tests.processes import wait_until
from tests.shared.workqueue.test_worker import get, value, waker, worker

# So that nothing leaves before it is asked for.
NEVER_MS = "3600000"
STOPPED = ("inner 0", "inner 1", "inner 2", "outer", "wake-up probe")


async def send(wake: Waker) -> None:
    """For somebody whose trace is kept."""
    with context.entered(TraceContext(uuid4().hex, "b" * 16)):
        assert await wake.wake()


def names(spans: list[ArrivedSpan]) -> list[str]:
    return sorted(span.name for span in spans if not span.name.startswith(("cold", "wake-up wait")))


def one_family(spans: list[ArrivedSpan]) -> None:
    """Told once, each below its parent, in the trace of its wake-up."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans:
        if span.name.startswith("inner"):
            parent = by_id[str(span.parent_id)]
            assert parent.name in ("outer", "wake-up probe")
            assert parent.trace_id == span.trace_id
        assert span.service == "probe-worker"


async def test_each_wake_up_tells_its_own_spans_once_before_it_ends(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "tell_a_span")
    with taking() as (url, spans), worker(own_redis, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY=NEVER_MS):
        for n in range(1, 3):
            await send(wake)
            wait_until(lambda n=n: names(spans).count("wake-up probe") == n)  # type: ignore[misc]
    assert names(spans) == ["inner", "inner", "wake-up probe", "wake-up probe"]
    one_family(spans)
    assert len({span.trace_id for span in spans}) == 2
    wake.close()


async def test_what_is_stopped_tells_everything(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "tell_spans_until_stopped")
    await send(wake)
    with taking() as (url, spans):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": NEVER_MS}
        with worker(own_redis, None, **settings) as process:
            wait_until(lambda: value(own_redis, "horse") > 0)
            assert spans == []
            process.terminate()
            assert process.wait(20) == 0
        assert names(spans) == sorted([*STOPPED, "wake probe"])
    one_family(spans)
    wake.close()


async def test_an_orphan_tells_everything_when_it_has_noticed(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "tell_spans_until_stopped")
    await send(wake)
    with taking() as (url, spans):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": NEVER_MS}
        with worker(own_redis, None, **settings) as process:
            wait_until(lambda: value(own_redis, "horse") > 0)
            process.kill()
            process.wait()
            wait_until(lambda: "wake-up probe" in names(spans))
    assert set(STOPPED) <= set(names(spans))
    one_family(spans)
    wake.close()


async def test_of_what_is_killed_that_is_there_which_had_ended_a_moment_before(own_redis: RedisServer) -> None:
    """And the worker goes on: RQ begins the same wake-up again, whose spans are its own."""
    wake = waker(own_redis, "tell_spans_until_stopped")
    await send(wake)
    with taking() as (url, spans):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with worker(own_redis, None, **settings) as process:
            wait_until(lambda: names(spans) == ["inner 0", "inner 1", "inner 2"])
            killed = value(own_redis, "horse")
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: value(own_redis, "horse") not in (0, killed))
            process.terminate()
            assert process.wait(20) == 0
        assert [names(spans).count(name) for name in STOPPED] == [2, 2, 2, 1, 1]
        assert len({span.span_id for span in spans}) == len(spans)
    wake.close()


async def test_what_nobody_takes_of_a_wake_up_is_counted_by_its_worker(own_redis: RedisServer) -> None:
    wake = waker(own_redis, "tell_a_span")
    await send(wake)
    port = closed_port()
    nobody = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{closed_port()}", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"}
    with worker(own_redis, port, OTEL_BSP_SCHEDULE_DELAY=NEVER_MS, **nobody):
        wait_until(lambda: get(port, "/healthz")[0] == 200)
        dropped = {"signal": "traces", "reason": "export_failed"}
        wait_until(lambda: scraped(f"http://127.0.0.1:{port}")("sluice_telemetry_dropped_total", **dropped) >= 2)
    wake.close()
