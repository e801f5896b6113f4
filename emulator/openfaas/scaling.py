"""Replicas by the scaling labels: the formula where a target is named, else the rule of the alert."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from emulator.durations import seconds
from emulator.scaling import ConcurrencyMeter
from shared.errors import InvalidInput

PREFIX = "com.openfaas.scale."
Kind = Literal["rps", "capacity", "cpu", "queue", "custom"]
DEFAULT_MAX = 5
ALERT_RATE = 5.0
ALERT_AFTER_S = 5.0
ALERT_REPEAT_S = 10.0
WINDOW_S = 10.0


@dataclass(frozen=True)
class ScaleLabels:
    """`target` None: no load to aim at was named, so the alert's rule decides."""

    minimum: int = 1
    maximum: int = DEFAULT_MAX
    factor_percent: int = 20
    zero_s: float | None = None
    target: float | None = None
    proportion: float = 0.9
    kind: Kind = "rps"
    down_window_s: float = 0.0


def read_labels(labels: Mapping[str, str], idle_s: float) -> ScaleLabels:
    """`idle_s`: until zero, where the labels ask for zero and not when. Raises `InvalidInput`."""
    kind = labels.get(f"{PREFIX}type", "rps")
    if kind not in get_args(Kind):
        raise InvalidInput("label_invalid", f"{PREFIX}type must be one of {', '.join(get_args(Kind))}")
    duration = labels.get(f"{PREFIX}zero-duration")
    down = labels.get(f"{PREFIX}down.window")
    minimum = int(_number(labels, "min", 1))
    aimed = any(f"{PREFIX}{name}" in labels for name in ("target", "target-proportion", "type"))
    return ScaleLabels(
        minimum=minimum,
        maximum=max(int(_number(labels, "max", DEFAULT_MAX)), minimum, 1),
        factor_percent=int(_number(labels, "factor", 20)),
        zero_s=_zero_s(labels, idle_s if duration is None else seconds(duration, f"{PREFIX}zero-duration")),
        target=_positive(labels, "target", 50) if aimed else None,
        proportion=_positive(labels, "target-proportion", 0.9),
        kind=kind,  # type: ignore[arg-type]
        down_window_s=min(300.0, seconds(down, f"{PREFIX}down.window")) if down else 0.0,
    )


def aim(load: float, labels: ScaleLabels) -> int:
    """`load` is that of all replicas together: the mean of each times their number."""
    assert labels.target is not None
    return math.ceil(round(load / (labels.target * labels.proportion), 6))


class LabelDemand:
    """`calls` and `succeeded` count since the start, `cpu_s` the time of all replicas, `queued` async calls."""

    def __init__(
        self,
        labels: ScaleLabels,
        meter: ConcurrencyMeter,
        *,
        calls: Callable[[], int],
        succeeded: Callable[[], int],
        cpu_s: Callable[[], float],
        queued: Callable[[], int],
    ) -> None:
        self._labels = labels
        self._meter = meter
        self._counted: Mapping[str, Callable[[], float]] = {"rps": calls, "cpu": cpu_s}
        self._succeeded = succeeded
        self._queued = queued
        self._samples: deque[tuple[float, float, float]] = deque()
        self._wanted: deque[tuple[float, int]] = deque()
        self._level = max(1, labels.minimum)
        self._over_since_s: float | None = None
        self._raised_s = 0.0

    def desired(self, replicas: int, now_s: float) -> int:
        labels, busy = self._labels, self._meter.level > 0
        self._sample(now_s)
        floor = max(labels.minimum, 1 if busy else 0)
        if labels.zero_s is not None and not busy:
            idle = now_s - self._meter.last_active_s >= labels.zero_s
            if idle or (replicas == 0 and labels.minimum == 0):
                return 0
            floor = max(floor, 1)
        if labels.minimum == labels.maximum:
            return labels.maximum
        wanted = self._by_alert(now_s) if labels.target is None else self._by_target(now_s)
        return self._steady(min(max(wanted, floor), labels.maximum), now_s)

    def _by_target(self, now_s: float) -> int:
        kind = self._labels.kind
        if kind == "capacity":
            return aim(self._meter.average(int(WINDOW_S), now_s), self._labels)
        if kind == "queue":
            return aim(self._queued(), self._labels)
        if kind == "custom":
            return self._labels.minimum
        per_second = self._rate(1)
        return aim(per_second * 1000 if kind == "cpu" else per_second, self._labels)

    def _by_alert(self, now_s: float) -> int:
        """Over the rate for long enough, a step up, again and again; below it, back to the minimum."""
        labels = self._labels
        if self._rate(2) <= ALERT_RATE:
            self._over_since_s = None
            self._level = labels.minimum
        elif self._over_since_s is None:
            self._over_since_s = now_s
        elif now_s - self._over_since_s >= ALERT_AFTER_S and now_s - self._raised_s >= ALERT_REPEAT_S:
            self._raised_s = now_s
            self._level = min(labels.maximum, self._level + math.ceil(labels.maximum * labels.factor_percent / 100))
        return self._level

    def _steady(self, wanted: int, now_s: float) -> int:
        self._wanted.append((now_s, wanted))
        while self._wanted and self._wanted[0][0] < now_s - self._labels.down_window_s:
            self._wanted.popleft()
        return max(count for _, count in self._wanted)

    def _sample(self, now_s: float) -> None:
        counted = self._counted.get(self._labels.kind)
        if not self._samples or now_s - self._samples[-1][0] >= 0.5:
            self._samples.append((now_s, counted() if counted else 0.0, self._succeeded()))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - WINDOW_S:
            self._samples.popleft()

    def _rate(self, column: int) -> float:
        first, last = self._samples[0], self._samples[-1]
        return (last[column] - first[column]) / WINDOW_S if last[0] > first[0] else 0.0


def _zero_s(labels: Mapping[str, str], duration_s: float) -> float | None:
    return duration_s if labels.get(f"{PREFIX}zero") == "true" else None


def _number(labels: Mapping[str, str], name: str, default: float) -> float:
    text = labels.get(PREFIX + name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 6:
        raise InvalidInput("label_invalid", f"{PREFIX}{name} must be a whole number of at least 0")
    return int(text)


def _positive(labels: Mapping[str, str], name: str, default: float) -> float:
    text = labels.get(PREFIX + name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise InvalidInput("label_invalid", f"{PREFIX}{name} must be a number above 0")
    return value
