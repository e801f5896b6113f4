"""Plays a trace second by second, and says what was decided at every tick."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from emulator.kpa import decider, scaler
from emulator.kpa.decider import TICK_S, Decision
from emulator.kpa.scaler import ScalePlan, ScaleRules, ScaleStatus
from emulator.kpa.traces import Trace


@dataclass(frozen=True)
class Tick:
    """`scale` and `activity` only where a trace has rules: what became of the decision."""

    t: int
    ready: int
    decision: Decision
    scale: int | None = None
    activity: str | None = None

    def as_json(self) -> dict[str, Any]:
        decided = self.decision
        said = {
            "t": self.t,
            "ready": self.ready,
            "stable": _plain(decided.stable),
            "panic": _plain(decided.panic),
            "valid": decided.valid,
            "desired": decided.desired,
            "excessBurstCapacity": decided.excess_burst_capacity,
            "panicMode": decided.panic_mode,
        }
        return said if self.scale is None else said | {"scale": self.scale, "activity": self.activity}


@dataclass(frozen=True)
class Replicas:
    """(since when ready, how many), oldest first. The newest go first: they are the ones not ready yet."""

    groups: tuple[tuple[float, int], ...] = ()

    def ready(self, now: float) -> int:
        return sum(count for since, count in self.groups if since <= now)

    def scaled(self, wanted: int, ready_at: float) -> "Replicas":
        kept: list[tuple[float, int]] = []
        for since, count in self.groups:
            kept.append((since, min(count, wanted)))
            wanted -= kept[-1][1]
        return Replicas(tuple(group for group in (*kept, (ready_at, wanted)) if group[1]))


def ticks(trace: Trace) -> Iterator[Tick]:
    """A second's value is measured before that second's tick."""
    state = decider.start(trace.spec, 0, trace.initial_ready)
    replicas = Replicas().scaled(trace.initial_ready, 0)
    reconciler = None if trace.rules is None else _Reconciler(trace.rules)
    if trace.rules is not None:
        replicas = replicas.scaled(max(trace.initial_ready, scaler.first_replicas(trace.rules)), trace.startup_s)
    for now, value in enumerate(trace.values):
        ready = replicas.ready(now)
        if value is not None:
            state = decider.record(state, now, value)
        decision = None
        if now % TICK_S == 0:
            decision, state = decider.decide(trace.spec, state, now, ready)
        wanted = _follow(decision) if reconciler is None else reconciler.plan(decision, ready, now)
        if wanted.apply:
            replicas = replicas.scaled(wanted.want, now + trace.startup_s)
        if decision is not None:
            yield Tick(now, ready, decision) if reconciler is None else reconciler.tick(now, ready, decision, wanted)


def _follow(decision: Decision | None) -> ScalePlan:
    return ScalePlan(scaler.UNKNOWN, False) if decision is None else ScalePlan(decision.desired, decision.valid)


class _Reconciler:
    """Looks every second, as a cluster does at every change and when it asked to be called again."""

    def __init__(self, rules: ScaleRules) -> None:
        self._rules = rules
        self._status: ScaleStatus = scaler.start(0)
        self._desired = scaler.UNKNOWN
        self._excess_burst_capacity = scaler.UNKNOWN

    def plan(self, decision: Decision | None, ready: int, now: int) -> ScalePlan:
        if decision is not None and decision.valid:
            self._desired, self._excess_burst_capacity = decision.desired, decision.excess_burst_capacity
        wanted, self._status = scaler.plan(
            self._rules, self._status, self._desired, self._excess_burst_capacity, ready, now
        )
        return wanted

    def tick(self, now: int, ready: int, decision: Decision, wanted: ScalePlan) -> Tick:
        return Tick(now, ready, decision, wanted.want, str(self._status.activity))


def _plain(value: float) -> float | int:
    """5, not 5.0: as other languages write it."""
    return int(value) if value.is_integer() else value
