"""The Knative Pod Autoscaler at work on a live function: measures, decides on its ticks, and says how many replicas."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from emulator.kpa import annotations as autoscaling
from emulator.kpa import decider, scaler
from emulator.kpa.annotations import Annotations
from emulator.kpa.decider import TICK_S, DeciderSpec, Decision
from emulator.kpa.resolve import Cluster, decider_spec, scale_rules
from emulator.kpa.scaler import ScaleRules
from emulator.manifests import FunctionSpec


class Measured(Protocol):
    """`level` is the concurrency now, requests that wait included; `of_second` its average over a whole second."""

    level: int

    def of_second(self, second: int) -> float: ...


def follows_knative(spec: FunctionSpec) -> bool:
    """Whether its annotations ask for Knative's autoscaler; a worker follows its queue."""
    return spec.queue is None and any(key.startswith(autoscaling.PREFIX) for key in spec.annotations)


def with_knative_bounds(spec: FunctionSpec) -> FunctionSpec:
    """What the annotations say of bounds is so for everybody who asks. Raises `InvalidInput` naming the annotation."""
    asked = _asked(spec)
    least = spec.min_scale if asked.min_scale is None else asked.min_scale
    return replace(spec, min_scale=least, max_scale=max(asked.max_scale or spec.max_scale, least, 1))


def knative_demand(
    spec: FunctionSpec, meter: Measured, ready: Callable[[], int], requests: Callable[[], int], now_s: float
) -> "KnativeDemand":
    """Bounds that the annotations leave open are the function's own."""
    asked = _asked(spec)
    cluster = Cluster(min_scale=spec.min_scale, max_scale=max(spec.max_scale, 1))
    decides = decider_spec(asked, spec.concurrency, cluster)
    return KnativeDemand(decides, scale_rules(asked, cluster), meter, ready, requests, now_s)


def _asked(spec: FunctionSpec) -> Annotations:
    return autoscaling.parse(spec.annotations, path=f"functions.{spec.name}.annotations")


class KnativeDemand:
    """Ask `desired` once a second, and whenever a request has to wait. `requests` counts all that ever came."""

    def __init__(
        self,
        spec: DeciderSpec,
        rules: ScaleRules,
        meter: Measured,
        ready: Callable[[], int],
        requests: Callable[[], int],
        now_s: float,
    ) -> None:
        self.decision: Decision | None = None
        self._spec = spec
        self._rules = rules
        self._meter = meter
        self._ready = ready
        self._requests = requests
        self._state = decider.start(spec, now_s, ready())
        self._status = scaler.start(now_s)
        self._counted = requests()
        self._measured_s = math.floor(now_s)
        self._tick = math.floor(now_s) // TICK_S
        self._desired, self._capacity = scaler.UNKNOWN, scaler.UNKNOWN
        self._wanted = scaler.first_replicas(rules)

    def desired(self, replicas: int, now_s: float) -> int:
        self._measure(replicas, now_s)
        tick = math.floor(now_s) // TICK_S
        if self._meter.level and self._desired <= 0:
            self._state = decider.record(self._state, now_s, float(self._meter.level))
            self._decide(now_s)
        elif tick > self._tick:
            self._decide(now_s)
        self._tick = max(tick, self._tick)
        plan, self._status = scaler.plan(self._rules, self._status, self._desired, self._capacity, self._ready(), now_s)
        if plan.apply:
            self._wanted = plan.want
        return self._wanted

    def _measure(self, replicas: int, now_s: float) -> None:
        """The seconds that are over. Where nobody runs and nobody asks, nobody measures either."""
        second = math.floor(now_s)
        for each in range(max(self._measured_s, second - self._spec.stable_window_s), second):
            value = self._value(each, last=each == second - 1)
            if value or replicas or self._wanted:
                self._state = decider.record(self._state, each + 1, value)
        self._measured_s = max(second, self._measured_s)

    def _value(self, second: int, *, last: bool) -> float:
        """Requests are counted when looked at, which is once a second."""
        if self._spec.metric == "concurrency":
            return self._meter.of_second(second)
        if not last:
            return 0.0
        came, self._counted = self._requests() - self._counted, self._requests()
        return float(came)

    def _decide(self, now_s: float) -> None:
        decision, self._state = decider.decide(self._spec, self._state, now_s, self._ready())
        self.decision = decision
        if decision.valid:
            self._desired, self._capacity = decision.desired, decision.excess_burst_capacity
