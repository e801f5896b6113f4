"""How many replicas a function should have: a pure decision on its load, the time and its settings."""

import math
from collections import deque
from dataclasses import dataclass

UTILIZATION = 0.7
UNLIMITED_TARGET = 100.0
MAX_CRASH_DELAY_S = 30.0


@dataclass(frozen=True)
class ScaleConfig:
    """`target` is the concurrency a replica should carry on average. Nothing for `idle_s`: down to `min_scale`."""

    min_scale: int
    max_scale: int
    target: float
    idle_s: float
    burst_window_s: int = 6
    stable_window_s: int = 60


@dataclass(frozen=True)
class Load:
    """`demand` counts requests in flight and held right now; `replicas` those alive, starting ones included."""

    demand: int
    burst_average: float
    stable_average: float
    last_active_s: float
    replicas: int


def decide(load: Load, now_s: float, config: ScaleConfig) -> int:
    """Up with the short window, down only when the long one agrees, to the minimum when idle."""
    if load.demand == 0 and now_s - load.last_active_s >= config.idle_s:
        return config.min_scale
    wanted = math.ceil(max(load.burst_average, load.stable_average) / config.target)
    awake = 1 if load.demand or load.replicas else 0
    return max(config.min_scale, min(max(wanted, awake), max(config.max_scale, 1)))


def target_concurrency(concurrency: int, label: str | None) -> float:
    """From the OpenFaaS label, else the hard limit (0: none) at the utilisation that leaves a replica some room."""
    if label is not None and label.isdecimal() and int(label) > 0:
        return float(label)
    return max(1.0, (concurrency or UNLIMITED_TARGET) * UTILIZATION)


def crash_delay_s(failures: int) -> float:
    """How long to wait before the next start after so many that failed in a row."""
    return min(MAX_CRASH_DELAY_S, 0.25 * 2 ** min(failures - 1, 10)) if failures > 0 else 0.0


class ConcurrencyMeter:
    """Time-weighted concurrency in buckets of a second, for averages over the last seconds."""

    def __init__(self, now_s: float, keep_s: int = 60) -> None:
        self.level = 0
        self.last_active_s = now_s
        self._at_s = now_s
        self._keep_s = keep_s
        self._buckets: deque[tuple[int, float]] = deque()

    def change(self, by: int, now_s: float) -> None:
        self._advance(now_s)
        self.level += by
        self.last_active_s = now_s

    def average(self, window_s: int, now_s: float) -> float:
        """Over the window, or since the first request where that is later."""
        self._advance(now_s)
        recent = [(second, area) for second, area in self._buckets if second > now_s - window_s]
        if not recent:
            return 0.0
        span = min(float(window_s), max(1.0, now_s - recent[0][0]))
        return sum(area for _, area in recent) / span

    def of_second(self, second: int) -> float:
        """Over one whole second that has passed."""
        self._advance(max(self._at_s, second + 1.0))
        return next((area for each, area in reversed(self._buckets) if each == second), 0.0)

    def _advance(self, now_s: float) -> None:
        if self.level:
            self._at_s = max(self._at_s, now_s - self._keep_s)
            while self._at_s < now_s:
                second = int(self._at_s)
                until = min(now_s, second + 1.0)
                self._add(second, self.level * (until - self._at_s))
                self._at_s = until
        self._at_s = now_s
        while self._buckets and self._buckets[0][0] <= now_s - self._keep_s:
            self._buckets.popleft()

    def _add(self, second: int, area: float) -> None:
        if self._buckets and self._buckets[-1][0] == second:
            self._buckets[-1] = (second, self._buckets[-1][1] + area)
        else:
            self._buckets.append((second, area))
