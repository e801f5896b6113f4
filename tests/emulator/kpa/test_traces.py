"""Reading traces, and playing those that follow a manifest."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.kpa import simulate, traces
from emulator.kpa.simulate import Replicas
from shared.errors import InvalidInput

SPEC = {"target": 7, "total": 10}
PREFIX = "autoscaling.knative.dev/"


def play(trace: dict[str, Any]) -> list[dict[str, Any]]:
    ((_, understood),) = traces.parse(json.dumps([trace]))
    return [tick.as_json() for tick in simulate.ticks(understood)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"extra": 1}, "[0].extra"),
        ({"spec": []}, "[0].spec"),
        ({"spec": {"total": 10}}, "[0].spec.target"),
        ({"spec": SPEC | {"target": 0}}, "[0].spec.target"),
        ({"spec": SPEC | {"target": True}}, "[0].spec.target"),
        ({"spec": SPEC | {"total": 10**400}}, "[0].spec.total"),
        ({"spec": SPEC | {"metric": "cpu"}}, "[0].spec.metric"),
        ({"spec": SPEC | {"aggregation": ["linear"]}}, "[0].spec.aggregation"),
        ({"spec": SPEC | {"targetBurstCapacity": -2}}, "[0].spec.targetBurstCapacity"),
        ({"spec": SPEC | {"stableWindowSeconds": 0}}, "[0].spec.stableWindowSeconds"),
        ({"spec": SPEC | {"panicWindowSeconds": 1.5}}, "[0].spec.panicWindowSeconds"),
        ({"spec": SPEC | {"initialReady": -1}}, "[0].spec.initialReady"),
        ({"spec": SPEC | {"reachable": "yes"}}, "[0].spec.reachable"),
        ({"spec": SPEC | {"panicTreshold": 2}}, "[0].spec.panicTreshold"),
        ({"valuePerSecond": None}, "[0].valuePerSecond"),
        ({"valuePerSecond": "1"}, "[0].valuePerSecond"),
        ({"valuePerSecond": [1, -1]}, "[0].valuePerSecond[1]"),
        ({"valuePerSecond": [1, "2"]}, "[0].valuePerSecond[1]"),
        ({"annotations": {PREFIX + "window": "1s"}}, f"[0].annotations.{PREFIX}window"),
        ({"annotations": {PREFIX + "min-scale": 1}}, f"[0].annotations.{PREFIX}min-scale"),
        ({"containerConcurrency": 5000}, "[0].containerConcurrency"),
        ({"containerConcurrency": "5"}, "[0].containerConcurrency"),
    ],
)
def test_an_error_names_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        play({"spec": SPEC, "valuePerSecond": [1]} | change)
    assert refused.value.field == field
    assert field in refused.value.message


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[NaN]", '[{"valuePerSecond": [1e999]}]', "[" * 100_000])
def test_what_is_no_list_of_traces_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        traces.parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["target", "total", "x"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "spec", "valuePerSecond", "annotations", "ticks"]), JSON))
@settings(deadline=None)
def test_anything_is_a_trace_or_an_error(trace: dict[str, Any]) -> None:
    with suppress(InvalidInput):
        assert all(tick["valid"] in (True, False) for tick in play(trace))


def test_a_trace_says_only_what_differs() -> None:
    full = {"metric": "concurrency", "targetBurstCapacity": 211, "panicThreshold": 2, "aggregation": "linear"}
    full |= {"stableWindowSeconds": 60, "panicWindowSeconds": 6, "maxScaleUpRate": 1000, "maxScaleDownRate": 2}
    full |= {"activationScale": 0, "scaleDownDelaySeconds": 0, "podStartupSeconds": 3, "initialReady": 1}
    loads = [1, 5, 40, 80, 3, 0, 0, 7]
    assert play({"spec": SPEC, "valuePerSecond": loads}) == play({"spec": SPEC | full, "valuePerSecond": loads})


def test_seconds_without_a_value_measure_nothing() -> None:
    first, second = play({"spec": SPEC, "valuePerSecond": [None, None, 21]})
    assert not first["valid"]
    assert (second["valid"], second["ready"], second["desired"], second["stable"]) == (True, 1, 3, 21)


def test_slow_replicas_are_not_asked_for_twice() -> None:
    ticks = play({"spec": SPEC | {"podStartupSeconds": 20}, "valuePerSecond": [60] * 40})
    assert {tick["desired"] for tick in ticks} == {9}
    assert [tick["ready"] for tick in ticks] == [1] * 10 + [9] * 10


def test_what_is_not_ready_yet_goes_first() -> None:
    replicas = Replicas().scaled(2, 0).scaled(5, 10).scaled(3, 12)
    assert (replicas.ready(5), replicas.ready(10)) == (2, 3)
    assert replicas.scaled(0, 20) == Replicas()


def test_annotations_bring_bounds_and_the_way_to_zero() -> None:
    annotations = {PREFIX + "max-scale": "2", PREFIX + "initial-scale": "2", PREFIX + "window": "6s"}
    loads = [0] * 4 + [60] * 10 + [0] * 40
    ticks = play({"annotations": annotations, "containerConcurrency": 10, "valuePerSecond": loads})
    assert (ticks[0]["ready"], ticks[0]["activity"]) == (0, "activating")
    assert max(tick["desired"] for tick in ticks) == 9
    assert max(tick["scale"] for tick in ticks) == 2
    assert ticks[-1]["activity"] == "inactive"
    assert ticks[-1]["ready"] == 0


def test_a_minimum_keeps_replicas_without_load() -> None:
    ticks = play({"annotations": {PREFIX + "minScale": "3"}, "valuePerSecond": [0] * 200})
    assert [tick["scale"] for tick in ticks] == [3] * 100
    assert ticks[-1]["desired"] < 3
    assert ticks[-1]["ready"] == 3


def test_with_the_defaults_the_last_replica_goes_a_window_and_a_little_after_the_last_request() -> None:
    ticks = play({"annotations": {}, "valuePerSecond": [5] * 90 + [0] * 90})
    gone = next(tick["t"] for tick in ticks if tick["t"] > 90 and tick["ready"] == 0)
    assert 90 + 60 < gone <= 90 + 60 + 5


def test_spec_overrides_what_the_annotations_say() -> None:
    trace = {"annotations": {PREFIX + "target": "5"}, "spec": {"target": 50, "podStartupSeconds": 0}}
    assert play(trace | {"valuePerSecond": [100]})[0]["desired"] == 2
