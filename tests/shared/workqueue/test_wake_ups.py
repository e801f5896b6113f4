"""What a wake-up carries of the trace that it was sent in, and the waits before it, as spans."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from observe import context, process, tracing
from observe.context import TraceContext
from observe.vocabulary import strangers
from shared.workqueue import wake_ups
from tests.fakes.telemetry import Recorded, parent_id, recording, span_id, trace_id

ASKED = TraceContext("a" * 32, "b" * 16)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as made:
        yield made


def times(span: ReadableSpan) -> list[float]:
    assert span.start_time is not None
    assert span.end_time is not None
    return [span.start_time / 1e9, span.end_time / 1e9]


def sent() -> dict[str, str]:
    with context.entered(ASKED, {"job.id": "a-job", "job.url": "https://e.example/"}), wake_ups.sending("scrape"):
        return dict(wake_ups.carried())


def test_sending_and_running_are_parent_and_child_with_the_wait_between(recorded: Recorded) -> None:
    now_s = process.started_at(os.getppid()) + 100
    enqueued = datetime.fromtimestamp(now_s - 7, UTC)
    with wake_ups.received("scrape", sent(), enqueued.replace(tzinfo=None), now_s), tracing.span("work"):
        pass
    sending, running = recorded.one("wake scrape"), recorded.one("wake-up scrape")
    assert (sending.kind, running.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert (trace_id(sending), parent_id(sending)) == (ASKED.trace_id, ASKED.span_id)
    assert (trace_id(running), parent_id(running)) == (ASKED.trace_id, span_id(sending))
    wait = recorded.one("wake-up wait")
    assert times(wait) == pytest.approx([now_s - 7, now_s], abs=0.05)
    assert parent_id(wait) == span_id(sending)
    assert recorded.named("cold start") == [], "the worker was there before it"
    for span in (running, wait, recorded.one("work")):
        said = dict(span.attributes or {})
        assert (said["queue.name"], said["job.id"], strangers(said)) == ("scrape", "a-job", {})
        assert said["job.url"] == "https://e.example/"


def test_a_worker_that_started_after_it_was_sent_has_its_start_told(recorded: Recorded) -> None:
    began_s = process.started_at(os.getppid())
    with wake_ups.received("embed", sent(), datetime.fromtimestamp(began_s - 5, UTC), began_s + 3):
        pass
    start, wait = recorded.one("cold start"), recorded.one("wake-up wait")
    assert times(start) == pytest.approx([began_s, began_s + 3], abs=0.05)
    assert times(wait) == pytest.approx([began_s - 5, began_s + 3], abs=0.05)
    assert parent_id(start) == parent_id(wait)


def test_one_that_nobody_sent_for_anybody_waited_for_nobody(recorded: Recorded) -> None:
    with wake_ups.received("embed", {}, datetime(2020, 1, 1, tzinfo=UTC), 2e9):
        pass
    assert [span.name for span in recorded.spans()] == ["wake-up embed"]
