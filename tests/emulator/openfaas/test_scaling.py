"""How many replicas the labels ask for, without a process or a clock that runs."""

from dataclasses import dataclass, field

import pytest

from emulator.openfaas.scaling import LabelDemand, aim, read_labels
from emulator.scaling import ConcurrencyMeter
from shared.errors import InvalidInput

IDLE_S = 30.0


@dataclass
class World:
    """A function under load: `run` passes the time, a tick a second."""

    labels: dict[str, str]
    now_s: float = 0.0
    calls: int = 0
    succeeded: int = 0
    cpu_s: float = 0.0
    queued: int = 0
    replicas: int = 0
    meter: ConcurrencyMeter = field(default_factory=lambda: ConcurrencyMeter(0.0))

    def __post_init__(self) -> None:
        prefixed = {f"com.openfaas.scale.{name}": value for name, value in self.labels.items()}
        self.demand = LabelDemand(
            read_labels(prefixed, IDLE_S),
            self.meter,
            calls=lambda: self.calls,
            succeeded=lambda: self.succeeded,
            cpu_s=lambda: self.cpu_s,
            queued=lambda: self.queued,
        )
        self.tick()

    def tick(self) -> int:
        self.replicas = self.demand.desired(self.replicas, self.now_s)
        return self.replicas

    def run(self, seconds: int, *, rate: float = 0.0, cpu: float = 0.0) -> int:
        for _ in range(seconds):
            self.now_s += 1
            if rate:
                self.meter.change(1, self.now_s)
                self.meter.change(-1, self.now_s)
            self.calls += int(rate)
            self.succeeded += int(rate)
            self.cpu_s += cpu
            self.tick()
        return self.replicas


def test_the_formula_of_the_documentation() -> None:
    labels = read_labels({"com.openfaas.scale.target": "10"}, IDLE_S)
    assert [aim(load, labels) for load in (0, 9, 9.1, 90, 91)] == [0, 1, 2, 10, 11]


def test_without_labels_there_is_one_and_it_stays() -> None:
    assert World({}).run(3600) == 1


def test_the_minimum_is_there_at_once() -> None:
    assert World({"min": "2"}).replicas == 2


def test_zero_comes_after_the_duration_and_not_without_the_label() -> None:
    world = World({"zero": "true", "zero-duration": "1m"})
    assert (world.run(59), world.run(2)) == (1, 0)
    world.meter.change(1, world.now_s)
    assert world.tick() == 1
    assert world.run(3600) == 1, "a call that takes long keeps its replica"
    assert World({"zero-duration": "1m"}).run(3600) == 1


def test_the_usual_time_until_zero_is_the_platforms() -> None:
    world = World({"zero": "true"})
    assert (world.run(29), world.run(2)) == (1, 0)


def test_who_may_be_at_zero_from_the_start_is() -> None:
    assert World({"min": "0", "zero": "true"}).replicas == 0


def test_the_alert_steps_up_while_it_fires_and_goes_back_when_it_ends() -> None:
    world = World({"max": "10", "factor": "20"})
    assert world.run(5, rate=10) == 1
    assert world.run(12, rate=10) == 3
    assert world.run(60, rate=10) == 10
    assert world.run(20) == 1


def test_a_rate_that_the_alert_allows_changes_nothing() -> None:
    assert World({"max": "10"}).run(120, rate=5) == 1


def test_equal_bounds_turn_scaling_off() -> None:
    assert World({"min": "2", "max": "2"}).run(120, rate=100) == 2


def test_requests_a_second_against_the_target() -> None:
    world = World({"target": "10", "type": "rps", "max": "20"})
    assert world.run(30, rate=45) == 5
    assert world.run(60) == 1


def test_requests_at_once_against_the_target() -> None:
    world = World({"target": "5", "type": "capacity", "target-proportion": "1"})
    world.meter.change(12, world.now_s)
    assert world.run(30) == 3


def test_processor_time_against_the_target() -> None:
    assert World({"target": "500", "type": "cpu"}).run(30, cpu=1.0) == 3


def test_waiting_calls_against_the_target() -> None:
    world = World({"target": "10", "type": "queue"})
    world.queued = 25
    assert world.tick() == 3


def test_a_window_keeps_what_was_needed_a_moment_ago() -> None:
    world = World({"target": "10", "type": "queue", "down.window": "1m"})
    world.queued = 25
    world.tick()
    world.queued = 0
    assert (world.run(55), world.run(10)) == (3, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("min", "-1"), ("max", "many"), ("target", "0"), ("type", "moon"), ("zero-duration", "soon")]
)
def test_a_label_that_means_nothing_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        read_labels({f"com.openfaas.scale.{name}": value}, IDLE_S)
