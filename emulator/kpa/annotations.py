"""Reads the autoscaling annotations of a revision's template as strictly as Knative does; an error names the field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from emulator.kpa import values
from emulator.kpa.decider import Metric
from emulator.kpa.windows import Aggregation
from shared.errors import InvalidInput

PREFIX = "autoscaling.knative.dev/"
PATH = "spec.template.metadata.annotations"

_ONE_SPELLING = frozenset({"activation-scale", "class", "metric", "target", "window"})
_TWO_SPELLINGS = frozenset(
    {
        "initial-scale",
        "max-scale",
        "metric-aggregation-algorithm",
        "min-scale",
        "panic-threshold-percentage",
        "panic-window-percentage",
        "scale-down-delay",
        "scale-to-zero-pod-retention-period",
        "target-burst-capacity",
        "target-utilization-percentage",
    }
)
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Annotations:
    """None: not given, the cluster decides."""

    metric: Metric = "concurrency"
    aggregation: Aggregation = "linear"
    target: float | None = None
    target_utilization_percentage: float | None = None
    target_burst_capacity: float | None = None
    min_scale: int | None = None
    max_scale: int | None = None
    initial_scale: int | None = None
    activation_scale: int | None = None
    scale_down_delay_s: int | None = None
    retention_s: float | None = None
    window_s: int | None = None
    panic_window_percentage: float | None = None
    panic_threshold_percentage: float | None = None


@dataclass(frozen=True)
class Problem:
    """`keys` are the annotations it speaks of, the one at fault first."""

    message: str
    keys: tuple[str, ...]


def parse(annotations: Mapping[str, str], *, allow_zero_initial_scale: bool = False, path: str = PATH) -> Annotations:
    """Raises `InvalidInput` with everything that is wrong; its `field` is the path of the first."""
    found, problems = read(annotations, allow_zero_initial_scale=allow_zero_initial_scale)
    if problems:
        told = "; ".join(f"{problem.message}: {', '.join(f'{path}.{k}' for k in problem.keys)}" for problem in problems)
        raise InvalidInput("annotation_invalid", told, field=f"{path}.{problems[0].keys[0]}")
    return found


def read(
    annotations: Mapping[str, str], *, allow_zero_initial_scale: bool = False
) -> tuple[Annotations, tuple[Problem, ...]]:
    """What is wrong reads as if it were not there."""
    reader = _Reader(annotations)
    reader.take("class", values.autoscaler_class)
    found = Annotations(
        min_scale=reader.take("min-scale", values.scale),
        max_scale=reader.take("max-scale", values.scale),
        activation_scale=reader.take("activation-scale", values.activation_scale),
        initial_scale=reader.take("initial-scale", values.scale if allow_zero_initial_scale else values.initial_scale),
        panic_window_percentage=reader.take("panic-window-percentage", values.percentage),
        panic_threshold_percentage=reader.take("panic-threshold-percentage", values.panic_threshold),
        target=reader.take("target", values.target),
        target_utilization_percentage=reader.take("target-utilization-percentage", values.percentage),
        target_burst_capacity=reader.take("target-burst-capacity", values.burst_capacity),
        window_s=reader.take("window", values.window_s),
        retention_s=reader.take("scale-to-zero-pod-retention-period", values.retention_s),
        scale_down_delay_s=reader.take("scale-down-delay", values.delay_s),
        metric=reader.take("metric", values.metric) or "concurrency",
        aggregation=reader.take("metric-aggregation-algorithm", values.aggregation) or "linear",
    )
    reader.check_scales(found)
    return found, tuple(reader.problems)


def unknown(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Annotations that look like ours and that Knative passes over without a word: most often a slip of the pen."""
    known = {PREFIX + name for name in _ONE_SPELLING | _TWO_SPELLINGS}
    known |= {PREFIX + _camel_case(name) for name in _TWO_SPELLINGS}
    return tuple(key for key in annotations if key.startswith(PREFIX) and key not in known)


@dataclass
class _Reader:
    annotations: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def take(self, name: str, understand: Callable[[str], _Value]) -> _Value | None:
        key = self._key(name)
        if key not in self.annotations:
            return None
        try:
            return understand(self.annotations[key])
        except ValueError as error:
            self.problems.append(Problem(str(error), (key,)))
            return None

    def check_scales(self, found: Annotations) -> None:
        """What is only wrong together."""
        least, most, activation = found.min_scale or 0, found.max_scale or 0, found.activation_scale
        if 0 < most < least:
            self._refuse(f"max-scale={most} is less than min-scale={least}", "max-scale", "min-scale")
        if activation is not None and activation < least:
            self._refuse(f"min-scale={least} is greater than activation-scale={activation}", "activation-scale")
        elif activation is not None and 0 < most < activation:
            self._refuse(f"max-scale={most} is less than activation-scale={activation}", "activation-scale")

    def _key(self, name: str) -> str:
        """As it is written here; where both spellings are, the one with hyphens counts."""
        key, other = PREFIX + name, PREFIX + _camel_case(name)
        return other if name in _TWO_SPELLINGS and key not in self.annotations and other in self.annotations else key

    def _refuse(self, message: str, *names: str) -> None:
        self.problems.append(Problem(message, tuple(map(self._key, names))))


def _camel_case(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)
