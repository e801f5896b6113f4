"""What one replica may use, from its class or from the limits that its deployment names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from emulator.knative.quantities import quantity
from shared.errors import InvalidInput

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Allowance:
    """0: no limit. `cpu_millis` are thousandths of a processor."""

    memory_bytes: int = 0
    cpu_millis: int = 0


UNLIMITED = Allowance()


def with_limits(default: Allowance, limits: Mapping[str, str], field: str) -> Allowance:
    """`limits` as Kubernetes writes them go before the class. Raises `InvalidInput` that names the field."""
    memory, cpu = (_amount(limits, name, field) for name in ("memory", "cpu"))
    found = default
    if memory is not None:
        found = replace(found, memory_bytes=int(memory))
    if cpu is not None:
        found = replace(found, cpu_millis=int(cpu * 1000))
    return found


def _amount(limits: Mapping[str, str], name: str, field: str) -> float | None:
    text = limits.get(name)
    if not text:
        return None
    amount = quantity(text)
    if amount is None or amount < 0:
        at = f"{field}.{name}"
        raise InvalidInput(
            "limit_invalid", f"{at} must be a quantity such as 500m or 256Mi, not {text[:40]!r}", field=at
        )
    if name == "memory" and 0 < amount < MIB:
        at = f"{field}.{name}"
        raise InvalidInput("limit_invalid", f"{at}: {text[:40]} is {amount:g} bytes; 128Mi is 128 MiB", field=at)
    return amount
