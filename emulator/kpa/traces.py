"""Load traces as JSON: a revision's autoscaling, and what it measured each second. Strict; an error names the field."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from emulator.kpa import annotations, resolve
from emulator.kpa.decider import ALWAYS_PROXIED, DeciderSpec
from emulator.kpa.scaler import ScaleRules
from emulator.kpa.values import AGGREGATIONS, METRICS, MOST_WINDOW_S
from shared.errors import InvalidInput

MOST_SECONDS = 1_000_000
LARGEST = 1e9
STARTUP_S = 3.0

_FIELDS = frozenset({"annotations", "containerConcurrency", "name", "spec", "ticks", "valuePerSecond"})
_Choice = TypeVar("_Choice")


@dataclass(frozen=True)
class Trace:
    """`values`: one a second, None where nothing was measured. `rules` None: replicas follow the decisions alone."""

    spec: DeciderSpec
    values: tuple[float | None, ...]
    rules: ScaleRules | None = None
    startup_s: float = STARTUP_S
    initial_ready: int = 1


def parse(text: str) -> list[tuple[dict[str, Any], Trace]]:
    """Each trace as it was given, and as it was understood."""
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("trace_invalid", f"not JSON: {error}") from error
    if not isinstance(found, list):
        _invalid("traces", "must be a list")
    return [(given, read(given, f"[{index}]")) for index, given in enumerate(found)]


def read(given: object, path: str) -> Trace:
    """`annotations` or `containerConcurrency` bring the cluster's defaults and rules; `spec` overrides them."""
    fields = _mapping(given, path)
    for name in fields:
        if name not in _FIELDS:
            _invalid(f"{path}.{name}", "unknown field")
    settings = _Spec(_mapping(fields.get("spec", {}), f"{path}.spec"), f"{path}.spec")
    reachable = settings.flag("reachable", default=True)
    base, rules = _from_manifest(fields, path, reachable)
    trace = Trace(
        spec=_spec(settings, base, reachable),
        values=_values(fields.get("valuePerSecond"), f"{path}.valuePerSecond"),
        rules=rules,
        startup_s=settings.number("podStartupSeconds", STARTUP_S),
        initial_ready=settings.whole("initialReady", 1 if rules is None else 0),
    )
    settings.finish()
    return trace


def _from_manifest(
    fields: Mapping[str, Any], path: str, reachable: bool
) -> tuple[DeciderSpec | None, ScaleRules | None]:
    if "annotations" not in fields and "containerConcurrency" not in fields:
        return None, None
    texts = _mapping(fields.get("annotations", {}), f"{path}.annotations")
    for key, value in texts.items():
        if not isinstance(value, str):
            _invalid(f"{path}.annotations.{key}", "must be text (quote it)")
    concurrency = fields.get("containerConcurrency", 0)
    if not isinstance(concurrency, int) or isinstance(concurrency, bool):
        _invalid(f"{path}.containerConcurrency", "must be a whole number")
    resolve.check_container_concurrency(concurrency, f"{path}.containerConcurrency")
    found = annotations.parse(texts, path=f"{path}.annotations")
    spec = resolve.decider_spec(found, concurrency, reachable=reachable)
    return spec, resolve.scale_rules(found, reachable=reachable)


def _spec(settings: "_Spec", base: DeciderSpec | None, reachable: bool) -> DeciderSpec:
    usual = base or DeciderSpec(target=0, total=0)
    return DeciderSpec(
        metric=settings.choice("metric", METRICS, usual.metric),
        target=settings.number("target", base.target if base else None, above_zero=True),
        total=settings.number("total", base.total if base else None, above_zero=True),
        target_burst_capacity=settings.burst_capacity(usual.target_burst_capacity),
        panic_threshold=settings.number("panicThreshold", usual.panic_threshold, above_zero=True),
        stable_window_s=settings.whole("stableWindowSeconds", usual.stable_window_s, 1, MOST_WINDOW_S),
        panic_window_s=settings.whole("panicWindowSeconds", usual.panic_window_s, 1, MOST_WINDOW_S),
        max_scale_up_rate=settings.number("maxScaleUpRate", usual.max_scale_up_rate, above_zero=True),
        max_scale_down_rate=settings.number("maxScaleDownRate", usual.max_scale_down_rate, above_zero=True),
        activation_scale=settings.whole("activationScale", usual.activation_scale),
        scale_down_delay_s=settings.number("scaleDownDelaySeconds", usual.scale_down_delay_s),
        aggregation=settings.choice("aggregation", AGGREGATIONS, usual.aggregation),
        reachable=reachable,
    )


class _Spec:
    """The fields of `spec`, to be read to the end."""

    def __init__(self, fields: Mapping[str, Any], path: str) -> None:
        self._left = dict(fields)
        self._path = path

    def number(self, name: str, default: float | None, *, above_zero: bool = False) -> float:
        value = self._left.pop(name, default)
        if value is None:
            _invalid(f"{self._path}.{name}", "is missing")
        return _number(value, f"{self._path}.{name}", above_zero=above_zero)

    def whole(self, name: str, default: int, least: int = 0, most: int = int(LARGEST)) -> int:
        value = self._left.pop(name, default)
        number = _number(value, f"{self._path}.{name}")
        if not number.is_integer() or not least <= number <= most:
            _invalid(f"{self._path}.{name}", f"must be a whole number from {least} to {most}")
        return int(number)

    def burst_capacity(self, default: float) -> float:
        if self._left.get("targetBurstCapacity") == ALWAYS_PROXIED:
            del self._left["targetBurstCapacity"]
            return ALWAYS_PROXIED
        return default if "targetBurstCapacity" not in self._left else self.number("targetBurstCapacity", None)

    def choice(self, name: str, allowed: Mapping[str, _Choice], default: _Choice) -> _Choice:
        if name not in self._left:
            return default
        value = self._left.pop(name)
        if not isinstance(value, str) or value not in allowed:
            _invalid(f"{self._path}.{name}", f"must be one of {', '.join(filter(None, allowed))}")
        return allowed[value]

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._left.pop(name, default)
        if not isinstance(value, bool):
            _invalid(f"{self._path}.{name}", "must be true or false")
        return value

    def finish(self) -> None:
        for name in self._left:
            _invalid(f"{self._path}.{name}", "unknown field")


def _values(given: object, path: str) -> tuple[float | None, ...]:
    if not isinstance(given, list):
        _invalid(path, "is missing" if given is None else "must be a list of numbers, one a second")
    if len(given) > MOST_SECONDS:
        _invalid(path, f"has more than {MOST_SECONDS} seconds")
    return tuple(None if value is None else _number(value, f"{path}[{at}]") for at, value in enumerate(given))


def _number(value: object, path: str, *, above_zero: bool = False) -> float:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else -1
    if 0 <= number <= LARGEST and (number > 0 or not above_zero):
        return float(number)
    return _invalid(path, f"must be a number from 0 to {LARGEST:g}" + (", and over 0" if above_zero else ""))


def _mapping(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _invalid(path, "must be an object")
    return value


def _invalid(path: str, problem: str) -> NoReturn:
    raise InvalidInput("trace_invalid", f"{path}: {problem}", field=path)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
