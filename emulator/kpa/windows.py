"""Averages of what was measured: one bucket a second, as many buckets as the window has seconds."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Aggregation = Literal["linear", "weighted-exponential"]

# A weighted window gives its own seconds at least all but this share of the weight; a long one decays at LEAST_DECAY.
REST_OF_WEIGHT = 1e-4
LEAST_DECAY = 0.2
MILLIONTHS = 1e6


@dataclass(frozen=True)
class Buckets:
    """A ring over whole seconds. `total` is carried along, not summed anew, so that its last digits are Knative's."""

    seconds: tuple[float, ...]
    first: int | None = None
    last: int | None = None
    total: float = 0.0

    @classmethod
    def over(cls, window_s: int) -> "Buckets":
        return cls((0.0,) * window_s)


def record(buckets: Buckets, now: float, value: float) -> Buckets:
    """Adds `value` to the second of `now`. What is older than the window is ignored; a gap as long resets it."""
    second, size = math.floor(now), len(buckets.seconds)
    if buckets.first is None or buckets.last is None or second - buckets.last >= size:
        return _add(Buckets.over(size), second, value, first=second, last=second)
    if second <= buckets.last - size:
        return buckets
    first = min(buckets.first, second)
    if second > buckets.last:
        return _add(_clear(buckets, second), second, value, first=first, last=second)
    return _add(buckets, second, value, first=first, last=buckets.last)


def is_empty(buckets: Buckets, now: float) -> bool:
    return buckets.last is None or math.floor(now) - buckets.last > len(buckets.seconds)


def linear_average(buckets: Buckets, now: float) -> float:
    """The mean from the first write to the last, in millionths; 0 once a window has passed in silence."""
    if buckets.first is None or buckets.last is None:
        return 0.0
    size, silent_s = len(buckets.seconds), max(0, math.floor(now) - buckets.last)
    if silent_s >= size:
        return 0.0
    total = buckets.total
    for second in range(buckets.last + 1, buckets.last + silent_s + 1):
        total -= buckets.seconds[second % size]
    return _in_millionths(total / min(buckets.last - buckets.first + 1, size - silent_s))


def weighted_average(buckets: Buckets, now: float) -> float:
    """A sum whose weights fall by the same share each second back, the newest the heaviest. Not rounded."""
    if buckets.last is None or is_empty(buckets, now):
        return 0.0
    size, silent_s = len(buckets.seconds), max(0, math.floor(now) - buckets.last)
    decay = _decay(size)
    weight = decay * _whole_power(1 - decay, silent_s)
    average = 0.0
    for back in range(size - silent_s):
        average += buckets.seconds[(buckets.last - back) % size] * weight
        weight *= 1 - decay
    return average


AVERAGES: dict[Aggregation, Callable[[Buckets, float], float]] = {
    "linear": linear_average,
    "weighted-exponential": weighted_average,
}


def _add(buckets: Buckets, second: int, value: float, *, first: int, last: int) -> Buckets:
    seconds = list(buckets.seconds)
    seconds[second % len(seconds)] += value
    return Buckets(tuple(seconds), first, last, buckets.total + value)


def _clear(buckets: Buckets, until: int) -> Buckets:
    """Empties the seconds after the last write: the ring still holds those of one window before."""
    assert buckets.last is not None
    seconds, total = list(buckets.seconds), buckets.total
    for second in range(buckets.last + 1, until + 1):
        at = second % len(seconds)
        total -= seconds[at]
        seconds[at] = 0.0
    return replace(buckets, seconds=tuple(seconds), total=total)


def _in_millionths(value: float) -> float:
    """Half away from zero."""
    scaled = value * MILLIONTHS
    whole = math.trunc(scaled)
    if abs(scaled - whole) >= 0.5:
        whole += 1 if scaled > 0 else -1
    return whole / MILLIONTHS


def _decay(size: int) -> float:
    """Through exp and log but for the roots that are exact, as Go takes powers: the last digit depends on it."""
    exact = size <= 2
    rest = math.pow(REST_OF_WEIGHT, 1 / size) if exact else math.exp((1 / size) * math.log(REST_OF_WEIGHT))
    return max(1 - rest, LEAST_DECAY)


def _whole_power(base: float, exponent: int) -> float:
    """By repeated squaring, for the same last digit."""
    power = 1.0
    while exponent:
        if exponent & 1:
            power *= base
        base *= base
        exponent >>= 1
    return power
