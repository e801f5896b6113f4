"""Knative's autoscaler on a live function, second by second, without waiting for one."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from emulator.autoscaler import KnativeDemand, follows_knative, knative_demand
from emulator.kpa import traces
from emulator.kpa.decider import Decision
from emulator.kpa.scaler import ScaleRules
from emulator.kpa.traces import Trace
from emulator.manifests import FunctionSpec
from emulator.resource_classes import ResourceClass
from emulator.scaling import ConcurrencyMeter
from shared.errors import InvalidInput
from tests.emulator.conftest import Start, eventually
from tests.shared_data import path

PREFIX = "autoscaling.knative.dev/"


def function(annotations: dict[str, str], **changed: Any) -> FunctionSpec:
    base: dict[str, Any] = {"command": ("x",), "folder": Path(), "environment": {}, "secrets": (), "labels": {}}
    base |= {"resources": ResourceClass(), "concurrency": 0, "min_scale": 0, "max_scale": 20, "idle_s": None}
    base |= {"ready_path": None, "queue": None, "routes": ()} | changed
    return FunctionSpec(name="fn", annotations={PREFIX + key: value for key, value in annotations.items()}, **base)


@dataclass
class Recorded:
    """What the real one was given: the value of a second is reported at its end."""

    values: Sequence[float | None]
    level: int = 0

    def of_second(self, second: int) -> float:
        return self.values[second + 1] or 0.0


def live_ticks(given: dict[str, Any], trace: Trace) -> Iterator[tuple[dict[str, Any], Decision]]:
    """With as many ready replicas at each tick as were recorded."""
    ready = [0]
    demand = KnativeDemand(trace.spec, ScaleRules(), Recorded(trace.values), lambda: ready[0], lambda: 0, -1.0)
    for tick in given["ticks"]:
        ready[0] = tick["ready"]
        demand.desired(1, tick["t"])
        assert demand.decision is not None
        yield tick, demand.decision


def test_live_decisions_are_the_recorded_ones() -> None:
    recorded = json.loads(path("golden/knative/kpa_decisions.json").read_text())
    played = 0
    for given, trace in traces.parse(json.dumps(recorded)):
        if trace.spec.metric != "concurrency" or trace.initial_ready > 1 or None in trace.values:
            continue
        for tick, decision in live_ticks(given, trace):
            assert (decision.desired, decision.stable) == (tick["desired"], tick["stable"]), given["name"]
            assert decision.panic_mode is tick["panicMode"]
        played += 1
    assert played >= 8


@dataclass
class Live:
    """A function whose replicas are ready at once, under a clock that is turned by hand."""

    spec: FunctionSpec
    now_s: float = 0.0
    replicas: int = 0
    requests: int = 0
    meter: ConcurrencyMeter = field(default_factory=lambda: ConcurrencyMeter(0.0))

    def __post_init__(self) -> None:
        self.demand = knative_demand(self.spec, self.meter, lambda: self.replicas, lambda: self.requests, self.now_s)

    def load(self, by: int) -> None:
        self.meter.change(by, self.now_s)
        self.requests += max(0, by)
        self.ask()

    def ask(self) -> int:
        self.replicas = self.demand.desired(self.replicas, self.now_s)
        return self.replicas

    def run(self, seconds: int) -> list[int]:
        """The replicas at each second."""
        found = []
        for _ in range(seconds):
            self.now_s += 1
            found.append(self.ask())
        return found


def test_the_last_replica_goes_a_window_and_a_grace_period_after_the_last_request() -> None:
    live = Live(function({"window": "10s"}))
    live.load(1)
    assert live.replicas == 1
    live.run(20)
    live.load(-1)
    seen = live.run(60)
    assert 10 <= seen.index(0) <= 16
    assert set(seen[seen.index(0) :]) == {0}


def test_from_zero_the_first_request_is_heard_at_once() -> None:
    live = Live(function({"window": "6s", "target": "10", "target-utilization-percentage": "100"}))
    live.run(700)
    assert live.replicas == 0, "nobody came, so it was given up"
    live.now_s += 0.3
    live.load(1)
    assert live.replicas == 1
    live.load(-1)
    live.now_s += 5000
    live.ask()
    live.load(25)
    assert live.replicas == 3


def test_a_burst_is_followed_by_panic_and_bounded() -> None:
    live = Live(function({"target": "1", "target-utilization-percentage": "100", "max-scale": "7"}))
    live.load(5)
    live.run(4)
    assert live.replicas == 5
    live.load(50)
    live.run(4)
    assert live.replicas == 7
    live.load(-55)
    assert min(live.run(50)) == 7, "in panic it does not go down"
    assert live.run(90)[-1] == 0


def test_bounds_that_the_annotations_leave_open_are_the_functions_own() -> None:
    live = Live(function({"target": "1"}, min_scale=2, max_scale=4))
    live.ask()
    assert live.replicas == 2
    live.load(100)
    live.run(4)
    assert live.replicas == 4


def test_requests_a_second_are_followed_too() -> None:
    live = Live(function({"metric": "rps", "target": "10", "target-utilization-percentage": "100"}))
    for _ in range(70):
        for _ in range(30):
            live.load(1)
            live.load(-1)
        live.run(1)
    assert live.replicas == 3


def test_only_annotations_choose_it_and_a_worker_never_does() -> None:
    assert follows_knative(function({"target": "1"}))
    assert not follows_knative(function({}))
    assert not follows_knative(function({"target": "1"}, queue="scrape"))
    with pytest.raises(InvalidInput, match=r"functions\.fn\.annotations\.autoscaling\.knative\.dev/target"):
        Live(function({"target": "none"}))


async def test_a_function_with_annotations_grows_by_them(start: Start) -> None:
    annotations = {f"{PREFIX}target": "1", f"{PREFIX}target-utilization-percentage": "100", f"{PREFIX}max-scale": "3"}
    platform = await start({"fn": {"annotations": annotations}, "plain": {}})
    slow = [asyncio.create_task(platform.get("/function/fn/slow/3")) for _ in range(5)]
    await eventually(lambda: platform.function("fn")["ready"] == 3)
    assert (platform.function("fn")["max"], platform.function("plain")["max"]) == (3, 5)
    assert {status for status, _ in await asyncio.gather(*slow)} == {200}


async def test_an_annotation_keeps_replicas_from_the_start(start: Start, tmp_path: Path) -> None:
    platform = await start({"fn": {"annotations": {f"{PREFIX}min-scale": "2"}}})
    await eventually(lambda: platform.function("fn")["ready"] == 2)
    with pytest.raises(InvalidInput, match="max-scale=1 is less than min-scale=2"):
        await start(
            {"fn": {"annotations": {f"{PREFIX}min-scale": "2", f"{PREFIX}max-scale": "1"}}}, data_dir=tmp_path / "b"
        )


def test_the_meter_tells_whole_seconds() -> None:
    meter = ConcurrencyMeter(0.0)
    meter.change(2, 1.5)
    meter.change(-1, 2.25)
    assert [meter.of_second(second) for second in range(4)] == [0.0, 1.0, 1.25, 1.0]
