"""The three types of CESQL and the casts between them."""

import re
from typing import Literal

from emulator.cesql.syntax import Value

ErrorKind = Literal["math", "cast", "missingFunction", "functionEvaluation", "missingAttribute"]
_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)


class EvaluationError(Exception):
    """`value` is what the part that failed is worth when it is the whole expression."""

    def __init__(self, kind: ErrorKind, message: str, value: Value) -> None:
        super().__init__(message)
        self.kind = kind
        self.value = value


def to_integer(value: Value) -> int:
    if not isinstance(value, str):
        return int(value)
    if not _NUMBER.fullmatch(value) or not -(2**31) <= (number := int(value[:20])) < 2**31:
        raise EvaluationError("cast", f"{value[:40]!r} is not an integer", 0)
    return number


def to_boolean(value: Value) -> bool:
    if not isinstance(value, str):
        return bool(value)
    if value.lower() not in ("true", "false"):
        raise EvaluationError("cast", f"{value[:40]!r} is not a boolean", False)
    return value.lower() == "true"


def to_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def cast_like(value: Value, model: Value) -> Value:
    """`value` in the type of `model`."""
    if isinstance(model, bool):
        return to_boolean(value)
    return to_integer(value) if isinstance(model, int) else to_text(value)


def wrapped(number: int) -> int:
    """32 bits, two's complement."""
    return (number + 2**31) % 2**32 - 2**31
