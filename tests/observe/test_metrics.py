"""Instruments, by what a scraper reads of them."""

import json
import math
import threading
from dataclasses import replace

import pytest
from prometheus_client.samples import Sample

from observe.context import TraceContext, entered
from observe.exposition import OPEN_METRICS, TEXT, exposition, negotiated
from observe.instruments import MOST_SERIES
from observe.metrics import REGISTRY, Registry
from tests.numbers import Numbers, numbers

FORMATS = pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])


def read(registry: Registry, accept: str = "text/plain") -> Numbers:
    return numbers(exposition(accept, registry).body.decode())


@FORMATS
def test_each_kind_says_in_both_formats_what_was_recorded(accept: str) -> None:
    registry = Registry()
    fetches = registry.counter("sluice_fetches_total", 'Requests, by "outcome"\\.', "outcome", "mode")
    fetches.inc("2xx", "sync")
    fetches.inc("2xx", "sync", by=2)
    fetches.inc("fetch_timeout", "async")
    ready = registry.gauge("sluice_ready", "Ready.", "stage")
    ready.set(7, "scrape")
    ready.change(-2, "scrape")
    seconds = registry.histogram("sluice_seconds", "Time.", "stage", bounds=(0.1, 1, 10))
    for value in (0.1, 0.2, 100):
        seconds.observe(value, "embed")

    found = read(registry, accept)
    assert found("sluice_fetches_total", outcome="2xx", mode="sync") == 3
    assert found("sluice_fetches_total") == 4
    assert found("sluice_ready", stage="scrape") == 5
    buckets = {
        labels["le"]: found("sluice_seconds_bucket", **labels) for labels in found.labels("sluice_seconds_bucket")
    }
    assert buckets == {"0.1": 1, "1.0": 2, "10.0": 2, "+Inf": 3}
    assert found("sluice_seconds_count", stage="embed") == 3
    assert found("sluice_seconds_sum", stage="embed") == pytest.approx(100.3)


@FORMATS
@pytest.mark.parametrize("value", ['"', "\\", "\n", "a\\n", "ü", "}{,="])
def test_a_label_comes_through_as_it_is(accept: str, value: str) -> None:
    registry = Registry()
    registry.counter("sluice_odd_total", "Odd.", "word").inc(value)
    assert read(registry, accept).labels("sluice_odd_total") == [{"word": value}]


@FORMATS
@pytest.mark.parametrize("value", [0, 3, -0.5, 1e-9, 1.5e300, math.inf, -math.inf, math.nan])
def test_a_number_comes_through_as_it_is(accept: str, value: float) -> None:
    registry = Registry()
    registry.gauge("sluice_number", "A number.").set(value)
    [sample] = [sample for sample in read(registry, accept).samples if sample.name == "sluice_number"]
    assert sample.value == value or (math.isnan(value) and math.isnan(sample.value))


def test_what_never_happened_is_zero_where_its_labels_are_known_and_absent_else() -> None:
    registry = Registry()
    registry.counter("sluice_plain_total", "Without labels.")
    registry.counter("sluice_known_total", "Known.", "outcome").expect("sent")
    registry.counter("sluice_unknown_total", "Unknown.", "code")
    registry.gauge("sluice_unset", "Nobody knows.")
    names = {sample.name for sample in read(registry).samples if sample.name.startswith("sluice_")}
    assert names == {"sluice_plain_total", "sluice_known_total"}


def test_a_counter_that_somebody_else_named_keeps_its_name() -> None:
    registry = Registry()
    registry.counter("gateway_function_invocation_started", "Began.", "function_name").inc("echo")
    for accept in (TEXT, OPEN_METRICS):
        lines = exposition(accept, registry).body.decode().splitlines()
        assert 'gateway_function_invocation_started{function_name="echo"} 1' in lines


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        ("application/openmetrics-text", OPEN_METRICS),
        ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPEN_METRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4", OPEN_METRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.4", TEXT),
        ("application/openmetrics-text;version=9.9.9", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=a;version=;;,;=,", TEXT),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", TEXT),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(accept: str, wanted: str) -> None:
    assert negotiated(accept) == wanted


def test_a_label_that_takes_any_word_stays_bounded_and_is_told_of() -> None:
    registry = Registry()
    errors = registry.counter("sluice_errors_total", "Errors.", "code")
    for n in range(MOST_SERIES + 5):
        errors.inc(f"code-{n}")
    errors.inc("code-1")
    found = read(registry)
    assert len(found.labels("sluice_errors_total")) == MOST_SERIES + 1
    assert found("sluice_errors_total", code="other") == 5
    assert found("sluice_errors_total", code="code-1") == 2
    assert found("sluice_metrics_overflows_total", metric="sluice_errors_total") == 5


def test_one_name_is_made_once() -> None:
    registry = Registry()
    registry.counter("sluice_twice_total", "Once.")
    with pytest.raises(ValueError, match="sluice_twice_total is made twice"):
        registry.gauge("sluice_twice_total", "Twice.")


def family() -> Registry:
    registry = Registry()
    registry.counter("sluice_pages_total", "Pages.", "outcome")
    registry.histogram("sluice_seconds", "Time.", bounds=(1,))
    registry.gauge("sluice_in_hand", "In hand.")
    return registry


def record(registry: Registry, outcome: str) -> None:
    counter, histogram, gauge = registry.instruments[1:]
    counter.inc(outcome)  # type: ignore[attr-defined]
    histogram.observe(0.5)  # type: ignore[attr-defined]
    gauge.set(3)  # type: ignore[attr-defined]


def test_a_parent_adds_what_its_child_counted_and_forgets_where_it_stood_when_it_is_gone() -> None:
    parent, child = family(), family()
    record(parent, "ok")
    for _ in range(2):
        record(child, "ok")
        record(child, "failed")
        parent.add(json.loads(json.dumps(child.take())))
    assert all(name == "sluice_in_hand" for name, _, _ in child.take()), "nothing is told twice"
    found = read(parent)
    assert found("sluice_pages_total", outcome="ok") == 3
    assert found("sluice_pages_total", outcome="failed") == 2
    assert (found("sluice_seconds_count"), found("sluice_seconds_sum")) == (5, 2.5)
    assert found("sluice_in_hand") == 3
    parent.settle()
    assert read(parent)("sluice_in_hand") == 0


def test_a_child_begins_with_nothing_of_its_parent_s() -> None:
    registry = family()
    record(registry, "ok")
    registry.forget()
    assert registry.take() == []


TRACE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def test_a_bucket_shows_the_last_sampled_trace_in_it_to_whoever_reads_open_metrics() -> None:
    parent, child = family(), family()
    for trace, value in ((TRACE, 0.5), (replace(TRACE, trace_id="f" * 32, sampled=False), 0.6), (None, 0.7)):
        with entered(trace):
            child.instruments[2].observe(value)  # type: ignore[attr-defined]
    low, high = buckets(child)
    assert (low.value, high.value, high.exemplar) == (3, 3, None)
    parent.add(json.loads(json.dumps(child.take())))
    exemplar = buckets(parent)[0].exemplar
    assert exemplar is not None
    assert (exemplar.labels, exemplar.value) == ({"trace_id": TRACE.trace_id}, 0.5)
    assert "trace_id" not in exposition(TEXT, parent).body.decode()


def buckets(registry: Registry) -> list[Sample]:
    return [sample for sample in read(registry, OPEN_METRICS).samples if sample.name == "sluice_seconds_bucket"]


def test_threads_lose_no_count() -> None:
    registry = Registry()
    counter = registry.counter("sluice_counted_total", "Counted.", "thread")

    def count() -> None:
        for _ in range(50_000):
            counter.inc("all")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(registry)("sluice_counted_total", thread="all") == 200_000


def test_a_process_tells_what_the_kernel_knows_of_it() -> None:
    found = numbers(exposition(OPEN_METRICS, REGISTRY).body.decode())
    assert found("process_cpu_seconds_total") > 0
    assert found("process_resident_memory_bytes") > 1_000_000
    assert found("process_open_fds") > 2
    assert found("process_start_time_seconds") > 0
