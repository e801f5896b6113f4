"""Resource classes: what a class lets its functions use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.containment.allowance import MIB, UNLIMITED, Allowance
from shared.errors import InvalidInput

_MOST = 10**12


@dataclass(frozen=True)
class ResourceClass:
    """The defaults are what a function without a class gets. `concurrency` 0 means unlimited, as in Knative."""

    name: str = ""
    concurrency: int = 0
    min_scale: int = 0
    max_scale: int = 5
    timeout_s: float = 300.0
    allowance: Allowance = UNLIMITED


def read_classes(document: Mapping[str, object]) -> dict[str, ResourceClass]:
    """`{classes: {name: {...}}}` or the inner mapping alone. Keys may be written `max_scale` or `maxScale`."""
    classes = document.get("classes", document)
    if not isinstance(classes, dict):
        raise InvalidInput("manifest_invalid", "classes must be a mapping", field="classes")
    return {str(name): _class(str(name), body) for name, body in classes.items() if isinstance(body, dict)}


def _class(name: str, body: Mapping[str, object]) -> ResourceClass:
    fields = {_snake(str(key)): value for key, value in body.items()}
    default = ResourceClass()
    timeout = _first(fields, "timeout_s", "timeout_seconds")
    return ResourceClass(
        name=name,
        concurrency=int(_number(fields.get("concurrency"), default.concurrency, f"{name}.concurrency")),
        min_scale=int(_number(fields.get("min_scale"), default.min_scale, f"{name}.min_scale")),
        max_scale=int(_number(fields.get("max_scale"), default.max_scale, f"{name}.max_scale")),
        timeout_s=_number(timeout, default.timeout_s, f"{name}.timeout_s"),
        allowance=Allowance(
            memory_bytes=int(_number(fields.get("memory_mib"), 0, f"{name}.memory_mib") * MIB),
            cpu_millis=int(_number(fields.get("cpu"), 0, f"{name}.cpu")),
        ),
    )


def _first(fields: Mapping[str, object], *names: str) -> object:
    return next((fields[name] for name in names if name in fields), None)


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


def _number(value: object, default: float, field: str) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST:
        raise InvalidInput("class_invalid", f"{field} must be a number from 0 to {_MOST:,}", field=field)
    return float(value)
