"""How many replicas the load asks for: the state so far, the time and the ready replicas in; a decision out."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from emulator.kpa import windows
from emulator.kpa.windows import Aggregation, Buckets

Metric = Literal["concurrency", "rps"]

TICK_S = 2
MOST_REPLICAS = 2**31 - 1
ALWAYS_PROXIED = -1.0


@dataclass(frozen=True)
class DeciderSpec:
    """`target` is what a replica should carry of the metric, `total` what it can. `activation_scale` 0: none."""

    target: float
    total: float
    metric: Metric = "concurrency"
    target_burst_capacity: float = 211.0
    panic_threshold: float = 2.0
    stable_window_s: int = 60
    panic_window_s: int = 6
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    activation_scale: int = 0
    scale_down_delay_s: float = 0.0
    aggregation: Aggregation = "linear"
    reachable: bool = True


@dataclass(frozen=True)
class DeciderState:
    """`panic_since` is the last time the load was over the threshold. `recent` are the (tick, desired) that may still
    hold up a scale-down, highest first."""

    stable: Buckets
    panic: Buckets
    panic_since: float | None = None
    panic_replicas: int = 0
    recent: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Decision:
    """Not `valid`: there is nothing to decide on yet, and `desired` says nothing."""

    stable: float
    panic: float
    valid: bool
    desired: int
    excess_burst_capacity: int
    panic_mode: bool


def start(spec: DeciderSpec, now: float, ready: int = 0) -> DeciderState:
    """More than one ready replica: starts in panic, which keeps them until there is enough to decide on."""
    return DeciderState(
        stable=Buckets.over(spec.stable_window_s),
        panic=Buckets.over(spec.panic_window_s),
        panic_since=now if ready > 1 else None,
        panic_replicas=ready,
    )


def record(state: DeciderState, now: float, value: float) -> DeciderState:
    """Adds a sample: average concurrency, or requests, of the last second."""
    return replace(
        state, stable=windows.record(state.stable, now, value), panic=windows.record(state.panic, now, value)
    )


def decide(spec: DeciderSpec, state: DeciderState, now: float, ready: int) -> tuple[Decision, DeciderState]:
    if windows.is_empty(state.stable, now) and spec.target_burst_capacity != ALWAYS_PROXIED:
        return Decision(0.0, 0.0, False, 0, 0, state.panic_since is not None), state
    average = windows.AVERAGES[spec.aggregation]
    stable, panic = average(state.stable, now), average(state.panic, now)
    over = math.ceil(panic / spec.target) / max(1, ready) >= spec.panic_threshold
    state = _panic(spec, state, now, over)
    desired, state = _hold_in_panic(state, _wanted(spec, stable, ready), _wanted(spec, panic, ready))
    desired, state = _delay_scale_down(spec, state, now, desired)
    capacity = _excess_burst_capacity(spec, panic, ready)
    return Decision(stable, panic, True, desired, capacity, state.panic_since is not None), state


def _wanted(spec: DeciderSpec, average: float, ready: int) -> int:
    """For one window, within what the scale rates allow. Only then the activation scale: it may exceed them."""
    wanted = math.ceil(average / spec.target)
    most = math.ceil(spec.max_scale_up_rate * max(1, ready))
    least = math.floor(max(1, ready) / spec.max_scale_down_rate) if spec.reachable else 0
    allowed = min(max(wanted, least), most, MOST_REPLICAS)
    return max(allowed, spec.activation_scale) if spec.activation_scale > 1 and wanted > 0 else allowed


def _panic(spec: DeciderSpec, state: DeciderState, now: float, over: bool) -> DeciderState:
    if over:
        return replace(state, panic_since=now)
    if state.panic_since is not None and state.panic_since + spec.stable_window_s < now:
        return replace(state, panic_since=None, panic_replicas=0)
    return state


def _hold_in_panic(state: DeciderState, stable: int, panic: int) -> tuple[int, DeciderState]:
    if state.panic_since is None:
        return stable, state
    highest = max(stable, panic, state.panic_replicas)
    return highest, replace(state, panic_replicas=highest)


def _delay_scale_down(spec: DeciderSpec, state: DeciderState, now: float, desired: int) -> tuple[int, DeciderState]:
    """The highest of the last ticks that fill the delay."""
    if not spec.reachable or spec.scale_down_delay_s <= 0:
        return desired, state
    tick, ticks = math.floor(now) // TICK_S, math.ceil(spec.scale_down_delay_s / TICK_S)
    higher = [(at, value) for at, value in state.recent if value > desired and tick - at < ticks]
    if not higher or higher[-1][0] != tick:
        higher.append((tick, desired))
    return higher[0][1], replace(state, recent=tuple(higher))


def _excess_burst_capacity(spec: DeciderSpec, panic: float, ready: int) -> int:
    """What is left of the ready replicas' capacity when the burst comes. Below 0 the activator stays in the path."""
    if spec.target_burst_capacity == 0:
        return 0
    if spec.target_burst_capacity < 0:
        return -1
    left = math.floor(ready * spec.total - spec.target_burst_capacity - panic)
    return max(-MOST_REPLICAS - 1, min(left, MOST_REPLICAS))
