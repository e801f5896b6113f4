"""Annotations in both spellings, their ranges, and errors that name them."""

import pytest

from emulator.kpa import literals
from emulator.kpa.annotations import PATH, PREFIX, Annotations, parse, read, unknown
from emulator.kpa.resolve import Cluster, check_container_concurrency, decider_spec, panic_window_s, scale_rules
from shared.errors import InvalidInput


def given(**values: str) -> dict[str, str]:
    return {PREFIX + name.replace("_", "-"): value for name, value in values.items()}


def test_every_annotation_is_read() -> None:
    everything = given(
        **{"class": "kpa.autoscaling.knative.dev"},
        metric="rps",
        metric_aggregation_algorithm="weightedExponential",
        target="150.5",
        target_utilization_percentage="80",
        target_burst_capacity="-1",
        min_scale="1",
        max_scale="9",
        initial_scale="3",
        activation_scale="2",
        scale_down_delay="15m",
        scale_to_zero_pod_retention_period="1m5.5s",
        window="2m",
        panic_window_percentage="5.0",
        panic_threshold_percentage="150.0",
    )
    assert parse(everything) == Annotations(
        metric="rps",
        aggregation="weighted-exponential",
        target=150.5,
        target_utilization_percentage=80,
        target_burst_capacity=-1,
        min_scale=1,
        max_scale=9,
        initial_scale=3,
        activation_scale=2,
        scale_down_delay_s=900,
        retention_s=65.5,
        window_s=120,
        panic_window_percentage=5,
        panic_threshold_percentage=150,
    )
    assert unknown(everything) == ()


def test_nothing_given_leaves_it_to_the_cluster() -> None:
    assert parse({"example.com/other": "x"}) == Annotations()


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("initialScale", "4", Annotations(initial_scale=4)),
        ("maxScale", "4", Annotations(max_scale=4)),
        ("minScale", "4", Annotations(min_scale=4)),
        ("metricAggregationAlgorithm", "weighted-exponential", Annotations(aggregation="weighted-exponential")),
        ("panicThresholdPercentage", "110", Annotations(panic_threshold_percentage=110)),
        ("panicWindowPercentage", "100", Annotations(panic_window_percentage=100)),
        ("scaleDownDelay", "0s", Annotations(scale_down_delay_s=0)),
        ("scaleToZeroPodRetentionPeriod", "1h", Annotations(retention_s=3600)),
        ("targetBurstCapacity", "0.5", Annotations(target_burst_capacity=0.5)),
        ("targetUtilizationPercentage", "1", Annotations(target_utilization_percentage=1)),
    ],
)
def test_the_old_spelling_is_understood(name: str, value: str, read_as: Annotations) -> None:
    assert parse({PREFIX + name: value}) == read_as


def test_where_both_spellings_are_given_the_one_with_hyphens_counts() -> None:
    assert parse({PREFIX + "minScale": "no number", PREFIX + "min-scale": "2"}).min_scale == 2


def test_what_only_looks_like_an_annotation_of_ours_is_reported_apart() -> None:
    slips = {PREFIX + "minscale": "1", PREFIX + "activationScale": "3", "example.com/min-scale": "1"}
    assert parse(slips) == Annotations()
    assert unknown(slips) == (PREFIX + "minscale", PREFIX + "activationScale")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("class", "hpa.autoscaling.knative.dev", "invalid value"),
        ("metric", "cpu", "invalid value: cpu"),
        ("metric-aggregation-algorithm", "median", "invalid value: median"),
        ("target", "0", "at least 0.01"),
        ("target", "nan", "invalid value"),
        ("target", "1_0", "invalid value"),
        ("target-utilization-percentage", "0.5", "expected 1 <= 0.5 <= 100"),
        ("target-utilization-percentage", "101", "expected 1 <= 101 <= 100"),
        ("target-burst-capacity", "-2", "invalid value: -2"),
        ("min-scale", "-1", "expected 0 <= -1 <= 2147483647"),
        ("min-scale", "1.5", "invalid value: 1.5"),
        ("min-scale", "", "invalid value"),
        ("max-scale", "2147483648", "expected 0 <= 2147483648 <= 2147483647"),
        ("initial-scale", "0", "does not allow an initial scale of 0"),
        ("initial-scale", "two", "invalid value: two"),
        ("activation-scale", "1", "must be greater than 1"),
        ("scale-down-delay", "-1s", "expected 0s <= -1s <= 1h0m0s"),
        ("scale-down-delay", "61m", "expected 0s <= 61m <= 1h0m0s"),
        ("scale-down-delay", "1500ms", "second precision"),
        ("scale-to-zero-pod-retention-period", "30", "invalid value: 30"),
        ("scale-to-zero-pod-retention-period", "2h", "expected 0s <= 2h <= 1h0m0s"),
        ("window", "5s", "expected 6s <= 5s <= 1h0m0s"),
        ("window", "6.5s", "second precision"),
        ("window", "9" * 100 + "h", "invalid value"),
        ("panic-window-percentage", "0", "expected 1 <= 0 <= 100"),
        ("panic-threshold-percentage", "109", "expected 110 <= 109 <= 1000"),
        ("panic-threshold-percentage", "1001", "expected 110 <= 1001 <= 1000"),
    ],
)
def test_an_error_names_the_annotation_and_says_what_is_wrong(name: str, value: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse({PREFIX + name: value})
    assert refused.value.field == f"{PATH}.{PREFIX}{name}"
    assert told in refused.value.message
    assert refused.value.field in refused.value.message


def test_an_error_names_the_spelling_that_was_used() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse({PREFIX + "minScale": "x"}, path="template")
    assert refused.value.field == "template.autoscaling.knative.dev/minScale"


def test_scales_must_fit_together() -> None:
    assert read(given(max_scale="1", min_scale="2"))[1][0].keys == (PREFIX + "max-scale", PREFIX + "min-scale")
    for others in ({"min_scale": "4"}, {"max_scale": "2"}):
        (problem,) = read(given(activation_scale="3", **others))[1]
        assert problem.keys == (PREFIX + "activation-scale",)
    assert read(given(max_scale="0", min_scale="2", activation_scale="3"))[1] == ()


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(given(window="1s", target="x", min_scale="-4"))
    assert refused.value.message.count(PATH) == 3


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("1h2m3.5s", 3_723_500_000_000), ("0", 0), ("1.5us", 1500), (".5s", 5 * 10**8), ("-2ms", -2_000_000)]
    + [(text, None) for text in ("", "5", "s", "1 s", "1d", "1s2", "٣s", "--1s")],
)
def test_durations_are_read_as_go_reads_them(text: str, nanoseconds: int | None) -> None:
    assert literals.nanoseconds(text) == nanoseconds


@pytest.mark.parametrize(
    ("annotations", "concurrency", "target", "total"),
    [
        ({}, 0, 70, 100),
        ({}, 10, 7, 10),
        ({}, 1, 0.7, 1),
        ({"target": "50"}, 10, 7, 10),
        ({"target": "5"}, 10, 3.5, 5),
        ({"target": "50"}, 0, 35, 50),
        ({"target": "10", "target_utilization_percentage": "100"}, 0, 10, 10),
        ({"target": "0.01"}, 0, 0.01, 0.01),
        ({"metric": "rps"}, 10, 140, 200),
        ({"metric": "rps", "target": "50"}, 10, 35, 50),
    ],
)
def test_targets(annotations: dict[str, str], concurrency: int, target: float, total: float) -> None:
    spec = decider_spec(parse(given(**annotations)), concurrency)
    assert spec.target == pytest.approx(target)
    assert spec.total == total


@pytest.mark.parametrize(
    ("stable_s", "percentage", "panic_s"), [(60, 10, 6), (6, 10, 1), (6, 1, 1), (65, 10, 7), (64, 10, 6), (60, 100, 60)]
)
def test_the_panic_window_is_a_share_of_the_stable_one_in_whole_seconds(
    stable_s: int, percentage: float, panic_s: int
) -> None:
    assert panic_window_s(stable_s, percentage) == panic_s


def test_the_cluster_decides_what_the_annotations_leave_open() -> None:
    cluster = Cluster(min_scale=2, retention_s=9, panic_threshold_percentage=300, scale_down_delay_s=4)
    rules, spec = scale_rules(Annotations(max_scale=5), cluster), decider_spec(Annotations(window_s=90), 0, cluster)
    assert (rules.min_scale, rules.max_scale, rules.retention_s, rules.activation_timeout_s) == (2, 5, 9, 630)
    assert (spec.panic_threshold, spec.scale_down_delay_s, spec.stable_window_s, spec.panic_window_s) == (3, 4, 90, 9)
    assert scale_rules(Annotations(min_scale=0), cluster).min_scale == 0


def test_an_initial_scale_of_zero_needs_a_cluster_that_allows_it() -> None:
    assert parse(given(initial_scale="0"), allow_zero_initial_scale=True).initial_scale == 0


@pytest.mark.parametrize("value", [-1, 1001])
def test_container_concurrency_has_a_range(value: int) -> None:
    with pytest.raises(InvalidInput, match=rf"expected 0 <= {value} <= 1000: spec\.template\.spec\.container"):
        check_container_concurrency(value)
