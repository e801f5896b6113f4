"""The built-in functions of CESQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulator.cesql.syntax import Value
from emulator.cesql.values import EvaluationError, to_boolean, to_integer, to_text

Cast = Callable[[Value], Value]


@dataclass(frozen=True, slots=True)
class Function:
    """`casts` are those of the fixed parameters; `rest` casts any further ones, if there may be more."""

    body: Callable[..., Value]
    casts: tuple[Cast, ...]
    zero: Value
    rest: Cast | None = None

    def takes(self, count: int) -> bool:
        return count == len(self.casts) or (self.rest is not None and count > len(self.casts))

    def call(self, arguments: Sequence[Value]) -> Value:
        fixed = [cast(value) for cast, value in zip(self.casts, arguments, strict=False)]
        more = [self.rest(value) for value in arguments[len(self.casts) :]] if self.rest else []
        return self.body(*fixed, *more)


def find(name: str, count: int) -> Function | None:
    return next((function for function in _FUNCTIONS.get(name, ()) if function.takes(count)), None)


def _left(text: str, count: int) -> str:
    if count < 0:
        raise EvaluationError("functionEvaluation", "LEFT wants a length of 0 or more", text)
    return text[:count]


def _right(text: str, count: int) -> str:
    if count < 0:
        raise EvaluationError("functionEvaluation", "RIGHT wants a length of 0 or more", text)
    return text[max(0, len(text) - count) :]


def _substring(text: str, position: int, length: int = 2**31) -> str:
    """Positions count from 1, or from the end when negative; 0 is before the text."""
    if position == 0:
        return ""
    if abs(position) > len(text):
        raise EvaluationError("functionEvaluation", "SUBSTRING starts outside the text", "")
    if length < 0:
        raise EvaluationError("functionEvaluation", "SUBSTRING wants a length of 0 or more", "")
    start = position - 1 if position > 0 else len(text) + position
    return text[start : start + length]


def _absolute(number: int) -> int:
    if number == -(2**31):
        raise EvaluationError("math", "the absolute value does not fit into 32 bits", 2**31 - 1)
    return abs(number)


_FUNCTIONS: dict[str, tuple[Function, ...]] = {
    "LENGTH": (Function(len, (to_text,), 0),),
    "CONCAT": (Function(lambda *parts: "".join(parts), (), "", to_text),),
    "CONCAT_WS": (Function(lambda between, *parts: between.join(parts), (to_text,), "", to_text),),
    "LOWER": (Function(str.lower, (to_text,), ""),),
    "UPPER": (Function(str.upper, (to_text,), ""),),
    "TRIM": (Function(str.strip, (to_text,), ""),),
    "LEFT": (Function(_left, (to_text, to_integer), ""),),
    "RIGHT": (Function(_right, (to_text, to_integer), ""),),
    "SUBSTRING": (
        Function(_substring, (to_text, to_integer), ""),
        Function(_substring, (to_text, to_integer, to_integer), ""),
    ),
    "ABS": (Function(_absolute, (to_integer,), 0),),
    "INT": (Function(to_integer, (to_integer,), 0),),
    "BOOL": (Function(to_boolean, (to_boolean,), False),),
    "STRING": (Function(to_text, (to_text,), ""),),
}
