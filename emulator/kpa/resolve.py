"""What an autoscaler follows: the annotations of a revision over the defaults of its cluster."""

from dataclasses import dataclass
from typing import TypeVar

from emulator.kpa.annotations import Annotations
from emulator.kpa.decider import DeciderSpec
from emulator.kpa.literals import NANOSECONDS
from emulator.kpa.scaler import ScaleRules
from emulator.kpa.values import LEAST_TARGET
from shared.errors import InvalidInput

MOST_CONTAINER_CONCURRENCY = 1000
ACTIVATION_BUFFER_S = 30.0

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Cluster:
    """The defaults of the `config-autoscaler` config map, and of the deployment's progress deadline."""

    concurrency_target: float = 100.0
    concurrency_utilization: float = 0.7
    rps_target: float = 200.0
    rps_utilization: float = 0.7
    target_burst_capacity: float = 211.0
    stable_window_s: int = 60
    panic_window_percentage: float = 10.0
    panic_threshold_percentage: float = 200.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    min_scale: int = 0
    max_scale: int = 0
    initial_scale: int = 1
    allow_zero_initial_scale: bool = False
    scale_to_zero: bool = True
    grace_s: float = 30.0
    retention_s: float = 0.0
    scale_down_delay_s: float = 0.0
    progress_deadline_s: float = 600.0


DEFAULTS = Cluster()


def decider_spec(
    annotations: Annotations,
    container_concurrency: int = 0,
    cluster: Cluster = DEFAULTS,
    *,
    reachable: bool = True,
) -> DeciderSpec:
    target, total = targets(annotations, container_concurrency, cluster)
    stable_s = _given(annotations.window_s, cluster.stable_window_s)
    return DeciderSpec(
        metric=annotations.metric,
        aggregation=annotations.aggregation,
        target=target,
        total=total,
        target_burst_capacity=_given(annotations.target_burst_capacity, cluster.target_burst_capacity),
        panic_threshold=_given(annotations.panic_threshold_percentage, cluster.panic_threshold_percentage) / 100,
        stable_window_s=stable_s,
        panic_window_s=panic_window_s(
            stable_s, _given(annotations.panic_window_percentage, cluster.panic_window_percentage)
        ),
        max_scale_up_rate=cluster.max_scale_up_rate,
        max_scale_down_rate=cluster.max_scale_down_rate,
        activation_scale=_given(annotations.activation_scale, 0),
        scale_down_delay_s=_given(annotations.scale_down_delay_s, cluster.scale_down_delay_s),
        reachable=reachable,
    )


def scale_rules(
    annotations: Annotations,
    cluster: Cluster = DEFAULTS,
    *,
    reachable: bool = True,
) -> ScaleRules:
    return ScaleRules(
        min_scale=_given(annotations.min_scale, cluster.min_scale),
        max_scale=_given(annotations.max_scale, cluster.max_scale),
        initial_scale=_given(annotations.initial_scale, cluster.initial_scale),
        stable_window_s=_given(annotations.window_s, cluster.stable_window_s),
        retention_s=_given(annotations.retention_s, cluster.retention_s),
        grace_s=cluster.grace_s,
        activation_timeout_s=cluster.progress_deadline_s + ACTIVATION_BUFFER_S,
        scale_to_zero=cluster.scale_to_zero,
        reachable=reachable,
    )


def targets(annotations: Annotations, container_concurrency: int, cluster: Cluster) -> tuple[float, float]:
    """What a replica should carry, and what it can: never more concurrency than its container takes."""
    by_rps = annotations.metric == "rps"
    total = cluster.rps_target if by_rps else float(container_concurrency or cluster.concurrency_target)
    if annotations.target is not None:
        limited = container_concurrency and not by_rps
        total = min(annotations.target, container_concurrency) if limited else annotations.target
    percentage = annotations.target_utilization_percentage
    default = cluster.rps_utilization if by_rps else cluster.concurrency_utilization
    return max(LEAST_TARGET, total * (default if percentage is None else percentage / 100)), total


def panic_window_s(stable_s: int, percentage: float) -> int:
    """To the nearest second, at least one."""
    nanoseconds = int(stable_s * NANOSECONDS * percentage / 100)
    return max(1, (nanoseconds + NANOSECONDS // 2) // NANOSECONDS)


def check_container_concurrency(value: int, path: str = "spec.template.spec.containerConcurrency") -> int:
    if not 0 <= value <= MOST_CONTAINER_CONCURRENCY:
        problem = f"expected 0 <= {value} <= {MOST_CONTAINER_CONCURRENCY}: {path}"
        raise InvalidInput("container_concurrency_invalid", problem, field=path)
    return value


def _given(value: _Value | None, default: _Value) -> _Value:
    return default if value is None else value
