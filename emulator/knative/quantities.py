"""Quantities of Kubernetes, and the resources that a container asks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.fields import Fields, invalid

_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_UNITS = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3} | {
    **{unit: 1000.0**power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)},
}
_PLAIN = frozenset({"cpu", "memory", "ephemeral-storage"})
GPU = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class Resources:
    """By name, in cores, bytes and pieces."""

    requests: Mapping[str, float]
    limits: Mapping[str, float]

    @property
    def gpus(self) -> float:
        return max(self.requests.get(GPU, 0), self.limits.get(GPU, 0))


def resources(container: Fields) -> Resources:
    fields = container.fields("resources")
    if fields is None:
        return Resources({}, {})
    found = Resources(_amounts(fields, "requests"), _amounts(fields, "limits"))
    for name, amount in found.requests.items():
        if amount > found.limits.get(name, amount):
            raise invalid(f"{fields.path}.requests.{name}", f"must not be more than limits.{name}")
    fields.finish()
    return found


def _amounts(fields: Fields, name: str) -> dict[str, float]:
    inner = fields.fields(name)
    return {} if inner is None else {each: _amount(inner, each) for each in inner.names()}


def _amount(fields: Fields, name: str) -> float:
    path, value = fields.at(name), fields.value(name)
    if name not in _PLAIN and "/" not in name:
        raise invalid(path, "is not a resource: cpu, memory, ephemeral-storage, or one with a domain")
    amount = quantity(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    if amount is None or amount < 0:
        raise invalid(path, f"{str(value)[:40]!r} is not a quantity such as 500m or 256Mi")
    return amount


def quantity(text: str) -> float | None:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, unit = float(match[1]), match[2] or ""
    return number * (_UNITS[unit] if unit in _UNITS else float(f"1{unit}"))
