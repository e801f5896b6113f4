"""Decisions beyond the recorded ones, and what holds for all of them."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.kpa import decider
from emulator.kpa.decider import DeciderSpec, DeciderState, Decision, decide, record, start

SPEC = DeciderSpec(target=7, total=10)
LOADS = st.lists(st.integers(0, 500), min_size=1, max_size=100)
SPECS = st.builds(
    DeciderSpec,
    target=st.floats(0.01, 200),
    total=st.floats(1, 200),
    metric=st.sampled_from(["concurrency", "rps"]),
    target_burst_capacity=st.sampled_from([-1.0, 0.0, 1.5, 211.0]),
    panic_threshold=st.floats(1.1, 10),
    stable_window_s=st.integers(6, 70),
    panic_window_s=st.integers(1, 6),
    max_scale_up_rate=st.floats(1.1, 1000),
    max_scale_down_rate=st.floats(1.1, 10),
    activation_scale=st.sampled_from([0, 2, 5]),
    scale_down_delay_s=st.sampled_from([0, 1, 7, 30]),
    aggregation=st.sampled_from(["linear", "weighted-exponential"]),
    reachable=st.booleans(),
)


def played(spec: DeciderSpec, loads: Sequence[float], ready: int = 1) -> list[tuple[int, Decision, DeciderState]]:
    """(replicas that were ready, decision, state) of every tick; replicas follow at once."""
    state, ticks = start(spec, 0, ready), []
    for now, load in enumerate(loads):
        state = record(state, now, load)
        if now % 2 == 0:
            decision, state = decide(spec, state, now, ready)
            ticks.append((ready, decision, state))
            ready = decision.desired
    return ticks


def desired(spec: DeciderSpec, loads: Sequence[float], ready: int = 1) -> list[int]:
    return [decision.desired for _, decision, _ in played(spec, loads, ready)]


@given(SPECS, LOADS, st.integers(0, 50))
@settings(deadline=None)
def test_a_decision_is_within_what_the_scale_rates_allow(spec: DeciderSpec, loads: list[int], ready: int) -> None:
    state = DeciderState(start(spec, 0).stable, start(spec, 0).panic)
    for now, load in enumerate(loads):
        state = record(state, now, load)
    fresh = replace(state, panic_since=None, panic_replicas=0, recent=())
    decision, _ = decide(spec, fresh, len(loads) - 1, ready)
    most = math.ceil(spec.max_scale_up_rate * max(1, ready))
    least = math.floor(max(1, ready) / spec.max_scale_down_rate) if spec.reachable else 0
    assert least <= decision.desired <= max(most, spec.activation_scale)


@given(SPECS, LOADS)
@settings(deadline=None)
def test_panic_never_scales_down(spec: DeciderSpec, loads: list[int]) -> None:
    for (_, before, _), (_, after, _) in itertools.pairwise(played(spec, loads)):
        if before.panic_mode and after.panic_mode:
            assert after.desired >= before.desired


@given(SPECS, st.integers(0, 300), st.integers(0, 300))
@settings(deadline=None)
def test_steady_load_asks_for_no_fewer_replicas_than_a_lower_one(spec: DeciderSpec, one: int, other: int) -> None:
    calm = replace(spec, scale_down_delay_s=0)
    low, high = sorted((one, other))
    assert desired(calm, [low] * 240)[-1] <= desired(calm, [high] * 240)[-1]


@given(st.floats(0.01, 200), st.integers(0, 300))
@settings(deadline=None)
def test_steady_load_settles_on_load_over_target(target: float, load: int) -> None:
    """Panic keeps its highest for a window, so the second window shows it."""
    settled = desired(replace(SPEC, target=target), [load] * 200)[-1]
    assert settled == math.ceil(load / target)


@given(SPECS, LOADS)
@settings(deadline=None)
def test_the_same_load_is_decided_the_same(spec: DeciderSpec, loads: list[int]) -> None:
    assert played(spec, loads) == played(spec, loads)


@given(SPECS, LOADS, st.integers(1, 40))
@settings(deadline=None)
def test_a_scale_down_delay_never_asks_for_fewer(spec: DeciderSpec, loads: list[int], delay_s: int) -> None:
    state = start(spec, 0)
    delayed = replace(spec, scale_down_delay_s=delay_s, reachable=True)
    kept = start(spec, 0)
    undelayed: list[int] = []
    for now, load in enumerate(loads):
        state, kept = record(state, now, load), record(kept, now, load)
        if now % 2 == 0:
            plain, state = decide(replace(delayed, scale_down_delay_s=0), state, now, 3)
            held, kept = decide(delayed, kept, now, 3)
            undelayed.append(plain.desired)
            assert held.desired == max(undelayed[-math.ceil(delay_s / 2) :])


def test_nothing_measured_is_no_decision() -> None:
    decision, state = decide(SPEC, start(SPEC, 0), 0, 1)
    assert decision == Decision(0, 0, False, 0, 0, False)
    state = record(state, 0, 5)
    assert decide(SPEC, state, 60, 1)[0].valid
    assert not decide(SPEC, state, 61, 1)[0].valid


def test_a_revision_that_is_always_proxied_decides_on_silence_too() -> None:
    always = replace(SPEC, target_burst_capacity=-1)
    assert decide(always, start(always, 0), 0, 1)[0] == Decision(0, 0, True, 0, -1, False)


def test_a_timid_scale_up_rate_still_grows_by_one() -> None:
    timid = replace(SPEC, target=1, max_scale_up_rate=1.1)
    assert desired(timid, [3] * 5, ready=2)[0] == 3


def test_an_unreachable_revision_drops_at_once_and_delays_nothing() -> None:
    gone = replace(SPEC, reachable=False, scale_down_delay_s=30)
    state = record(start(gone, 0), 0, 0)
    assert decide(gone, replace(state, panic_since=None, panic_replicas=0), 0, 9)[0].desired == 0


def test_panic_begins_at_the_threshold_and_ends_a_window_after_it_was_last_met() -> None:
    at_threshold = [14.0] + [0.0] * 80
    modes = [decision.panic_mode for _, decision, _ in played(SPEC, at_threshold)]
    assert modes[0]
    assert not played(SPEC, [6.9])[0][1].panic_mode
    last_over = 0
    assert modes.index(False) == (last_over + SPEC.stable_window_s) // decider.TICK_S + 1


def test_activation_scale_may_exceed_the_scale_up_rate_but_not_start_the_idle() -> None:
    eager = replace(SPEC, activation_scale=5, max_scale_up_rate=2)
    assert desired(eager, [1])[0] == 5
    assert desired(eager, [0])[0] == 0


@pytest.mark.parametrize(("burst", "expected"), [(211, -196), (0, 0), (-1, -1), (4.5, 10), (10, 5)])
def test_excess_burst_capacity_counts_ready_replicas(burst: float, expected: int) -> None:
    spec = replace(SPEC, target_burst_capacity=burst)
    assert decide(spec, record(start(spec, 0), 0, 5), 0, 2)[0].excess_burst_capacity == expected


def test_requests_a_second_are_decided_as_concurrency_is() -> None:
    loads = [0, 30, 30, 30, 2, 2, 0, 0]
    assert desired(replace(SPEC, metric="rps"), loads) == desired(SPEC, loads)


def test_no_number_grows_beyond_what_a_cluster_can_hold() -> None:
    huge = DeciderSpec(target=0.01, total=1e9, max_scale_up_rate=1e9, target_burst_capacity=0.5)
    decision, _ = decide(huge, record(start(huge, 0), 0, 1e9), 0, 2**31 - 1)
    assert decision.desired == decision.excess_burst_capacity == 2**31 - 1


def test_a_poke_between_ticks_counts_within_its_tick() -> None:
    delayed = replace(SPEC, scale_down_delay_s=2)
    state = record(start(delayed, 0), 0, 20)
    first, state = decide(delayed, state, 0.5, 1)
    poked, state = decide(replace(delayed, target=20), state, 1.5, 1)
    later, _ = decide(replace(delayed, target=20, panic_threshold=9), replace(state, panic_since=None), 2, 1)
    assert (first.desired, poked.desired, later.desired) == (3, 3, 1)
