"""How many replicas: decisions from load and time alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.queue_scaling import Depth, QueueDemand, decide_workers
from emulator.scaling import ConcurrencyMeter, Load, ScaleConfig, crash_delay_s, decide, target_concurrency

CONFIG = ScaleConfig(min_scale=0, max_scale=5, target=7, idle_s=30)


def load(*, demand: int = 0, burst: float = 0, stable: float = 0, active: float = 0, replicas: int = 0) -> Load:
    return Load(demand, burst, stable, active, replicas)


@pytest.mark.parametrize(
    ("seen", "now_s", "wanted"),
    [
        (load(), 100, 0),
        (load(demand=1, active=100), 100, 1),
        (load(replicas=1, active=80), 100, 1),
        (load(replicas=3, active=69), 100, 0),
        (load(demand=30, burst=30, active=100, replicas=1), 100, 5),
        (load(demand=15, burst=15, active=100, replicas=1), 100, 3),
        (load(demand=1, burst=1, stable=20, active=100, replicas=3), 100, 3),
        (load(demand=900, burst=900, active=100, replicas=1), 100, 5),
    ],
)
def test_decisions(seen: Load, now_s: float, wanted: int) -> None:
    assert decide(seen, now_s, CONFIG) == wanted


@given(
    st.builds(
        Load,
        st.integers(0, 10_000),
        st.floats(0, 10_000),
        st.floats(0, 10_000),
        st.floats(0, 1000),
        st.integers(0, 50),
    ),
    st.integers(0, 3),
    st.integers(1, 20),
)
def test_decisions_stay_within_bounds_and_never_starve_a_request(seen: Load, minimum: int, maximum: int) -> None:
    config = ScaleConfig(min_scale=minimum, max_scale=max(minimum, maximum), target=7, idle_s=30)
    wanted = decide(seen, 1000, config)
    assert config.min_scale <= wanted <= config.max_scale
    assert wanted >= 1 or seen.demand == 0


def test_the_meter_weighs_by_time() -> None:
    meter = ConcurrencyMeter(0)
    meter.change(4, 10.0)
    meter.change(-4, 10.5)
    assert meter.average(6, 12.0) == pytest.approx(1.0)
    assert meter.average(6, 15.9) == pytest.approx(2 / 5.9)
    assert meter.average(6, 17.0) == 0
    assert meter.last_active_s == 10.5


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5)), max_size=40))
def test_the_average_is_never_above_the_highest_level(steps: list[tuple[float, int]]) -> None:
    meter, now, highest = ConcurrencyMeter(0), 0.0, 0
    for wait, level in steps:
        meter.change(level - meter.level, now)
        highest = max(highest, level)
        now += wait
        assert meter.average(60, now) <= highest + 1e-6


def test_targets() -> None:
    assert target_concurrency(0, None) == pytest.approx(70)
    assert target_concurrency(32, None) == pytest.approx(22.4)
    assert target_concurrency(1, None) == 1
    assert target_concurrency(32, "5") == 5


def test_crashes_back_off() -> None:
    assert [crash_delay_s(failures) for failures in (0, 1, 2, 3, 20)] == [0, 0.25, 0.5, 1.0, 30.0]


@pytest.mark.parametrize(
    ("depth", "replicas", "idle_for_s", "wanted"),
    [
        (Depth(0, 0), 0, 0, 0),
        (Depth(1, 0), 0, 0, 1),
        (Depth(9, 0), 0, 0, 4),
        (Depth(0, 1), 4, 99, 4),
        (Depth(0, 0), 4, 5, 4),
        (Depth(0, 0), 4, 30, 0),
    ],
)
def test_workers(depth: Depth, replicas: int, idle_for_s: float, wanted: int) -> None:
    assert decide_workers(depth, replicas, idle_for_s, minimum=0, maximum=4, zero_s=30) == wanted


def test_workers_stay_while_the_queue_was_busy_lately() -> None:
    demand = QueueDemand(minimum=0, maximum=2, zero_s=10, now_s=0)
    demand.observe(Depth(waiting=1), 100)
    assert demand.desired(0, 100) == 1
    demand.observe(Depth(), 101)
    assert demand.desired(1, 109) == 1
    assert demand.desired(1, 110) == 0
