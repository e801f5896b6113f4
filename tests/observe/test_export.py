"""Whoever takes the spans may be down, slow or full: nobody waits for it, and what is lost is counted."""

import threading
import time
from collections.abc import Sequence

import pytest

from observe import tracing
from observe.export import Counts, Exporter, Limits
from observe.span import Span
from tests.numbers import Since

ENOUGH_S = 30.0


def a_span() -> Span:
    return tracing.span("one")


def test_everything_leaves_in_batches() -> None:
    batches: list[int] = []

    def take(spans: Sequence[Span]) -> bool:
        batches.append(len(spans))
        return True

    exporter = Exporter(lambda: take, Limits(queue=100, batch=10, delay_s=60))
    for _ in range(25):
        exporter.put(a_span())
    assert exporter.flush(ENOUGH_S)
    assert sum(batches) == 25
    assert max(batches) <= 10
    assert exporter.counts == Counts(exported=25)


def test_a_few_leave_after_a_while_without_being_asked() -> None:
    left = threading.Event()

    def take(_: Sequence[Span]) -> bool:
        left.set()
        return True

    Exporter(lambda: take, Limits(delay_s=0.01)).put(a_span())
    assert left.wait(ENOUGH_S)


def test_a_receiver_that_hangs_holds_nobody_up() -> None:
    hanging = threading.Event()

    def hang(_: Sequence[Span]) -> bool:
        return hanging.wait(ENOUGH_S)

    since = Since()
    exporter = Exporter(lambda: hang, Limits(queue=20, batch=10, delay_s=0.001))
    try:
        began = time.monotonic()
        for _ in range(1000):
            exporter.put(a_span())
        assert time.monotonic() - began < 5
        assert exporter.flush(0.05) is False
        counts = exporter.counts
        assert counts.exported == 0
        assert counts.waiting <= 20
        assert counts.dropped >= 1000 - 20 - 10
        assert since("sluice_telemetry_dropped_total", signal="traces", reason="queue_full") == counts.dropped
    finally:
        hanging.set()


@pytest.mark.parametrize("refuses", ["by answer", "by exception"])
def test_what_a_receiver_refuses_is_counted(refuses: str) -> None:
    def refuse(_: Sequence[Span]) -> bool:
        if refuses == "by exception":
            raise ConnectionError
        return False

    since = Since()
    exporter = Exporter(lambda: refuse, Limits())
    exporter.put(a_span())
    assert exporter.flush(ENOUGH_S)
    assert exporter.counts == Counts(dropped=1)
    assert since("sluice_telemetry_dropped_total", signal="traces", reason="export_failed") == 1


def test_drops_are_said_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Exporter(lambda: lambda _: False, Limits(batch=1))
    for _ in range(5):
        exporter.put(a_span())
    assert exporter.flush(ENOUGH_S)
    [record] = caplog.records
    assert (record.action, record.count, record.reason) == ("telemetry.dropped", 1, "export_failed")  # type: ignore[attr-defined]
    assert "does not answer, or refuses them" in record.message


def test_who_has_nothing_to_say_starts_no_thread() -> None:
    before = threading.active_count()
    exporter = Exporter(lambda: lambda _: True, Limits())
    assert exporter.flush(0)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("variables", "limits"),
    [
        ({}, Limits(2048, 512, 5.0)),
        ({"OTEL_BSP_SCHEDULE_DELAY": "250", "OTEL_BSP_MAX_QUEUE_SIZE": "100"}, Limits(100, 100, 0.25)),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "7"}, Limits(2048, 7, 5.0)),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "none", "OTEL_BSP_MAX_QUEUE_SIZE": "0"}, Limits(2048, 512, 5.0)),
        ({"OTEL_BSP_SCHEDULE_DELAY": "9" * 17, "OTEL_BSP_MAX_QUEUE_SIZE": "9" * 5000}, Limits(2048, 512, 5.0)),
    ],
)
def test_the_standard_limits_are_read(variables: dict[str, str], limits: Limits) -> None:
    assert Limits.read(variables) == limits


def test_a_limit_that_is_no_number_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert Limits.read({"OTEL_BSP_MAX_QUEUE_SIZE": "plenty", "OTEL_BSP_SCHEDULE_DELAY": ""}) == Limits()
    [record] = caplog.records
    assert record.message == "OTEL_BSP_MAX_QUEUE_SIZE is no whole number from 1 to 999,999,999; it is taken for 2048"
