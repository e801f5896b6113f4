"""What the text of one annotation may be, and what it means. Each raises `ValueError` saying what was wrong with it."""

from collections.abc import Mapping
from typing import NoReturn, TypeVar

from emulator.kpa import literals
from emulator.kpa.decider import ALWAYS_PROXIED, Metric
from emulator.kpa.windows import Aggregation

KPA_CLASS = "kpa.autoscaling.knative.dev"
LEAST_TARGET = 0.01
LEAST_WINDOW_S = 6
MOST_WINDOW_S = 3600
MOST_INT32 = 2**31 - 1
SHOWN_CHARACTERS = 80

METRICS: dict[str, Metric] = {"concurrency": "concurrency", "rps": "rps"}
AGGREGATIONS: dict[str, Aggregation] = {
    "": "linear",
    "linear": "linear",
    "weighted-exponential": "weighted-exponential",
    "weightedExponential": "weighted-exponential",
}

_Choice = TypeVar("_Choice")


def autoscaler_class(text: str) -> str:
    return text if text == KPA_CLASS else _refuse(text, f"only {KPA_CLASS} is emulated")


def metric(text: str) -> Metric:
    return _choice(text, METRICS)


def aggregation(text: str) -> Aggregation:
    return _choice(text, AGGREGATIONS)


def scale(text: str) -> int:
    value = literals.integer(text)
    if value is None:
        _refuse(text)
    return value if 0 <= value <= MOST_INT32 else _out_of_bounds(text, "0", str(MOST_INT32))


def initial_scale(text: str) -> int:
    return scale(text) or _refuse(text, "this cluster does not allow an initial scale of 0")


def activation_scale(text: str) -> int:
    value = scale(text)
    if value <= 1:
        raise ValueError(f"activation-scale={value} must be greater than 1")
    return value


def percentage(text: str) -> float:
    return _number(text, 1, 100)


def panic_threshold(text: str) -> float:
    return _number(text, 110, 1000)


def target(text: str) -> float:
    value = literals.number(text)
    if value is None:
        _refuse(text)
    if value < LEAST_TARGET:
        raise ValueError(f"target {text} should be at least {LEAST_TARGET}")
    return value


def burst_capacity(text: str) -> float:
    value = literals.number(text)
    return value if value is not None and (value >= 0 or value == ALWAYS_PROXIED) else _refuse(text)


def window_s(text: str) -> int:
    return _whole(_seconds(text, LEAST_WINDOW_S))


def delay_s(text: str) -> int:
    return _whole(_seconds(text, 0))


def retention_s(text: str) -> float:
    return _seconds(text, 0)


def _choice(text: str, allowed: Mapping[str, _Choice]) -> _Choice:
    return allowed[text] if text in allowed else _refuse(text)


def _number(text: str, least: int, most: int) -> float:
    value = literals.number(text)
    if value is None:
        _refuse(text)
    return value if least <= value <= most else _out_of_bounds(text, str(least), str(most))


def _seconds(text: str, least_s: int) -> float:
    value = literals.nanoseconds(text)
    if value is None:
        _refuse(text)
    if not least_s * literals.NANOSECONDS <= value <= MOST_WINDOW_S * literals.NANOSECONDS:
        _out_of_bounds(text, f"{least_s}s", "1h0m0s")
    return value / literals.NANOSECONDS


def _whole(seconds: float) -> int:
    if not seconds.is_integer():
        raise ValueError("must be specified with at most second precision")
    return int(seconds)


def _refuse(text: str, why: str = "") -> NoReturn:
    raise ValueError(f"invalid value: {text[:SHOWN_CHARACTERS]}" + (f" ({why})" if why else ""))


def _out_of_bounds(text: str, least: str, most: str) -> NoReturn:
    raise ValueError(f"expected {least} <= {text} <= {most}")
