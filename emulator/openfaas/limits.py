"""The limits that the watchdog in front of an HTTP function keeps, read from the function's environment."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emulator.openfaas.images import WATCHDOG
from shared.errors import InvalidInput

_PART = re.compile(r"([\d.]+)(ns|us|µs|ms|s|m|h)")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Limits:
    """`exec_s`: until the answer begins. `write_s`: what takes longer is done in vain, the caller is cut off.

    `in_flight`: at once in one replica, more are refused.
    """

    exec_s: float | None = None
    write_s: float | None = None
    in_flight: int = 0

    def shortened(self, header: str | None) -> float | None:
        """By the caller's `X-Timeout`, which never makes it longer and is ignored when it says nothing."""
        asked = duration_s(header) if header and not header.isdecimal() else None
        return self.exec_s if not asked else min(asked, self.exec_s or asked)


def read_limits(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Limits | None:
    """None: a watchdog of its own keeps them, which runs a process a request. Raises `InvalidInput`."""
    if str(WATCHDOG) in command:
        return None
    return Limits(
        exec_s=_limit_s(name, environment, "exec_timeout"),
        write_s=_limit_s(name, environment, "write_timeout"),
        in_flight=_count(name, environment, "max_inflight"),
    )


def duration_s(text: str) -> float | None:
    """A Go duration or whole seconds. None when it is neither."""
    if text.isdecimal():
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    try:
        return sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    except ValueError:
        return None


def _limit_s(function: str, environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name, "")
    found = duration_s(text) if text else None
    if text and found is None:
        problem = f"{function}: environment.{name} must be a duration such as 30s, not {text[:50]!r}"
        raise InvalidInput("environment_invalid", problem, field=f"environment.{name}")
    return found or None


def _count(function: str, environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "") or "0"
    if not text.isdecimal() or len(text) > 9:
        problem = f"{function}: environment.{name} must be a whole number, not {text[:50]!r}"
        raise InvalidInput("environment_invalid", problem, field=f"environment.{name}")
    return int(text)
