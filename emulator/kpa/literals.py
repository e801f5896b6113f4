"""Numbers and durations in text, as Go reads them: stricter than Python's, and a duration needs its unit."""

import re
from decimal import Decimal

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DURATION = re.compile(r"([+-]?)((?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_PART = re.compile(r"([0-9.]+)([a-zµμ]+)")
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_NANOSECONDS["h"] = 60 * _NANOSECONDS["m"]
MOST_CHARACTERS = 64
MOST_NANOSECONDS = 2**63 - 1
NANOSECONDS = 10**9


def integer(text: str) -> int | None:
    return int(text) if len(text) <= MOST_CHARACTERS and _INTEGER.fullmatch(text) else None


def number(text: str) -> float | None:
    """Finite, in decimal digits."""
    value = float(text) if len(text) <= MOST_CHARACTERS and _NUMBER.fullmatch(text) else None
    return None if value is None or abs(value) == float("inf") else value


def nanoseconds(text: str) -> int | None:
    if text in ("0", "+0", "-0"):
        return 0
    match = _DURATION.fullmatch(text) if len(text) <= MOST_CHARACTERS else None
    if match is None:
        return None
    total = sum(int(Decimal(amount) * _NANOSECONDS[unit]) for amount, unit in _PART.findall(match[2]))
    if total > MOST_NANOSECONDS:
        return None
    return -total if match[1] == "-" else total
