"""The text is what Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from shared.runtime.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = metrics.text(in_flight=2, ready=True).decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_counts_and_seconds_by_kind() -> None:
    metrics = Metrics("chunk")
    metrics.answered("event", 204, 0.004)
    metrics.answered("event", 204, 0.2)
    metrics.answered("event", 500, 400.0)
    metrics.failed("internal_error")
    found = samples(metrics)

    def value(name: str, **labels: str) -> float:
        return found[f"sluice_function_{name}", frozenset({"function": "chunk", **labels}.items())]

    assert value("requests_total", kind="event", status="204") == 2
    assert value("errors_total", code="internal_error") == 1
    assert (value("in_flight"), value("ready")) == (2, 1)
    assert value("seconds_bucket", kind="event", le="0.005") == 1
    assert value("seconds_bucket", kind="event", le="0.25") == 2
    assert value("seconds_bucket", kind="event", le="300.0") == 2
    assert value("seconds_bucket", kind="event", le="+Inf") == value("seconds_count", kind="event") == 3
    assert value("seconds_sum", kind="event") == 400.204


def test_what_the_client_library_has_is_appended() -> None:
    from prometheus_client import Counter

    Counter("sluice_test_words", "Counted by a stage.").inc(3)
    assert samples(Metrics("chunk"))["sluice_test_words_total", frozenset()] == 3
