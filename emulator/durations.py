"""Durations as manifests write them: Go's (`1m30s`, `300ms`) or whole seconds."""

import re

from shared.errors import InvalidInput

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_MOST_CHARS = 40
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")


def seconds(text: str, field: str) -> float:
    """Raises `InvalidInput` naming `field` when `text` is no duration."""
    text = text.strip()
    if text.isdecimal() and len(text) <= _MOST_CHARS:
        return float(text)
    parts = _PART.findall(text) if len(text) <= _MOST_CHARS else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidInput("duration_invalid", f"{field} must be a duration such as 30s or 1m30s", field=field)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
