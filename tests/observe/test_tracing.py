"""Spans: who their parents are, what they are about, and what becomes of them when telemetry is off."""

import os
import time
from uuid import uuid4

import pytest

from observe import context, tracing
from observe.context import TraceContext, parse
from shared.errors import Transient
from tests.fakes.telemetry import parent_id, recording, span_id, trace_id

FAR = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def test_a_span_is_the_child_of_the_one_around_it() -> None:
    with recording() as recorded:
        with tracing.span("outer", parent=FAR, kind="server") as outer, tracing.span("inner") as inner:
            assert context.current() == inner.context
        assert context.current() is None
        first, second = recorded.spans()
        assert (first.name, second.name) == ("inner", "outer")
        assert parent_id(first) == span_id(second) == outer.context.span_id
        assert (trace_id(first), parent_id(second)) == (FAR.trace_id, FAR.span_id)


def test_without_a_parent_a_trace_begins() -> None:
    with recording() as recorded:
        with tracing.span("one", kind="server"), tracing.span("child"):
            pass
        with tracing.span("other", kind="consumer"), tracing.span("more"):
            pass
        one, other = recorded.one("one"), recorded.one("other")
        assert trace_id(one) == trace_id(recorded.one("child")) != trace_id(other)
        assert parent_id(one) is parent_id(other) is None


def test_what_the_work_is_about_stands_on_every_span_below() -> None:
    with recording() as recorded:
        with (
            tracing.span("stage", {"queue.name": "scrape"}, parent=FAR, about={"job.id": "1"}),
            tracing.span("inner") as inner,
        ):
            inner.set("operation", "write")
        assert recorded.one("stage").attributes == {"queue.name": "scrape", "job.id": "1"}
        assert recorded.one("inner").attributes == {"operation": "write", "job.id": "1"}


def test_an_error_is_told_by_its_code_and_not_by_what_it_says() -> None:
    with recording() as recorded:
        for exc in (Transient("site_slow", "https://user:secret@example.org"), ValueError("secret")):
            with pytest.raises(type(exc)), tracing.span("failing", parent=FAR):
                raise exc
        failed = recorded.named("failing")
        assert [(span.attributes or {})["error.type"] for span in failed] == ["site_slow", "ValueError"]
        assert all(not span.status.is_ok and not span.events for span in failed)
        assert "secret" not in "".join(span.to_json() for span in failed)


def test_what_is_over_already_can_be_told_as_well() -> None:
    with recording() as recorded:
        with tracing.span("now", parent=FAR) as now:
            tracing.record("queue wait", 100.0, 101.5, {"queue.name": "scrape"})
        document = uuid4()
        tracing.record("document", 90.0, 110.0, where=tracing.document(document), links=[FAR])
        wait, root = recorded.one("queue wait"), recorded.one("document")
        assert (wait.start_time, wait.end_time) == (100_000_000_000, 101_500_000_000)
        assert parent_id(wait) == now.context.span_id
        assert (trace_id(root), parent_id(root)) == (document.hex, None)
        assert span_id(root) == tracing.document(document).span_id
        assert [f"{link.context.span_id:016x}" for link in root.links] == [FAR.span_id]


def test_a_document_is_a_trace_that_everybody_knows() -> None:
    document = uuid4()
    assert tracing.document(document) == tracing.document(document)
    assert tracing.document(document).trace_id == document.hex
    assert parse(tracing.document(document).format()) == tracing.document(document)


def test_what_a_process_does_of_its_own_accord_is_nobodys_trace() -> None:
    with recording() as recorded:
        with tracing.span("look around"), tracing.span("inner"):
            assert context.current() is not None
        assert recorded.spans() == ()


def test_whoever_learns_something_deep_inside_can_note_it() -> None:
    with recording() as recorded:
        with tracing.span("request", kind="server"):
            with tracing.span("inner"):
                tracing.note({"search.top_k": 3})
            tracing.note({"job.id": "1"})
        assert recorded.one("request").attributes == {"job.id": "1"}
        assert recorded.one("inner").attributes == {"search.top_k": 3}
    tracing.note({"job.id": "nobody hears it"})


def test_off_a_trace_goes_on_and_nothing_is_kept() -> None:
    with tracing.span("hop", parent=FAR, about={"job.id": "1"}) as hop:
        assert not hop.recorded
        assert context.current() == FAR
        assert context.about() == {"job.id": "1"}
        tracing.record("wait", 1.0, 2.0)
    with tracing.span("first") as first:
        assert context.current() == first.context
    assert tracing.counts().waiting == 0


def test_what_its_beginning_does_not_keep_nobody_keeps() -> None:
    with recording() as recorded:
        unkept = TraceContext(FAR.trace_id, FAR.span_id, sampled=False)
        with tracing.span("hop", parent=unkept):
            assert context.current() == unkept
            tracing.record("wait", 1.0, 2.0)
        assert recorded.spans() == ()


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "alloy:4318"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/"}, True),
    ],
)
def test_the_standard_variables_turn_it_on(variables: dict[str, str], on: bool) -> None:
    tracing.setup("test", variables)
    try:
        assert tracing.enabled() is on
    finally:
        tracing.setup("test", {})


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_address_that_is_none_is_said(name: str, caplog: pytest.LogCaptureFixture) -> None:
    tracing.setup("test", {name: "alloy:4318"})
    [said] = caplog.messages
    assert said == f"{name} is no address such as http://alloy:4318; no span is recorded"


def test_a_forked_child_exports_what_it_did_itself_and_nothing_twice() -> None:
    with recording() as recorded:
        with tracing.span("of the parent", parent=FAR):
            pass
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            try:
                with tracing.span("of the child", parent=FAR):
                    pass
                os.write(writing, " ".join(span.name for span in recorded.spans()).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as told:
            of_the_child = told.read()
        assert os.waitpid(pid, 0)[1] == 0
        assert of_the_child == "of the child"
        assert [span.name for span in recorded.spans()] == ["of the parent"]


def test_a_span_that_is_recorded_costs_little() -> None:
    """A guard against a mistake, not a measurement: `benchmarks/telemetry.py` measures."""
    with recording({"OTEL_BSP_MAX_QUEUE_SIZE": "100000"}):
        began = time.process_time()
        for _ in range(2000):
            with tracing.span("one", {"queue.name": "scrape"}, parent=FAR):
                pass
        assert time.process_time() - began < 2.0


def test_the_resource_says_which_process_it_was() -> None:
    with recording({"SERVICE_VERSION": "abc123", "DEPLOYMENT_ENVIRONMENT": "staging", "HOSTNAME": "r-1"}) as recorded:
        with tracing.span("one", parent=FAR):
            pass
        said = recorded.one("one").resource.attributes
        assert {name: said[name] for name in ("service.name", "service.version", "deployment.environment")} == {
            "service.name": "test",
            "service.version": "abc123",
            "deployment.environment": "staging",
        }
        assert said["service.instance.id"] == "r-1"
