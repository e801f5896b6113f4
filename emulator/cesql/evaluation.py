"""What a CESQL expression is worth for an event, and the error that came up on the way."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from emulator.cesql import functions
from emulator.cesql.syntax import Attribute, Binary, Call, Exists, Expression, In, Like, Literal, Negate, Not, Value
from emulator.cesql.values import EvaluationError, cast_like, to_boolean, to_integer, to_text, wrapped

_ALWAYS = frozenset({"specversion", "id", "source", "type"})
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COUNT: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_WILDCARD = re.compile(r"\\[%_]|[%_]")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` is one of the TCK's words; the value then is the zero of the expression's type."""

    value: Value
    error: str | None = None
    message: str = ""


def evaluate(expression: Expression, event: Mapping[str, Value]) -> Outcome:
    """`event` holds the attributes by lower-case name. Stops at the first error."""
    try:
        return Outcome(_value(expression, event))
    except EvaluationError as error:
        value = error.value if isinstance(expression, Call | Attribute) else _zero(expression)
        return Outcome(value, error.kind, str(error))


def is_boolean(expression: Expression) -> bool | None:
    """Whether the result will be a boolean; None where only the event knows. For a lint: Knative crashes otherwise."""
    return None if isinstance(expression, Attribute) else isinstance(_zero(expression), bool)


def _zero(expression: Expression) -> Value:
    match expression:
        case Literal(value):
            return value
        case Negate():
            return 0
        case Binary(symbol):
            return 0 if symbol in "+-*/%" else False
        case Call(name, arguments):
            found = functions.find(name, len(arguments))
            return found.zero if found else False
        case _:
            return False


def _value(expression: Expression, event: Mapping[str, Value]) -> Value:
    match expression:
        case Literal(value):
            return value
        case Attribute(name):
            return _attribute(name, event)
        case Exists(name):
            return name in _ALWAYS or name in event
        case Not(operand):
            return not to_boolean(_value(operand, event))
        case Negate(operand):
            return wrapped(-to_integer(_value(operand, event)))
        case Binary():
            return _binary(expression, event)
        case Like() | In() | Call():
            return _longer(expression, event)
        case _:
            assert_never(expression)


def _longer(expression: Like | In | Call, event: Mapping[str, Value]) -> Value:
    match expression:
        case Like(operand, pattern, negated):
            return (_pattern(pattern).fullmatch(to_text(_value(operand, event))) is not None) != negated
        case In(operand, members, negated):
            wanted = _value(operand, event)
            return any(cast_like(_value(member, event), wanted) == wanted for member in members) != negated
        case Call(name, arguments):
            return _call(name, [_value(argument, event) for argument in arguments])
        case _:
            assert_never(expression)


def _attribute(name: str, event: Mapping[str, Value]) -> Value:
    if name not in event:
        raise EvaluationError("missingAttribute", f"the event has no {name[:40]}", False)
    return event[name]


def _call(name: str, arguments: list[Value]) -> Value:
    function = functions.find(name, len(arguments))
    if function is None:
        raise EvaluationError("missingFunction", f"there is no {name[:40]} of {len(arguments)} arguments", False)
    return function.call(arguments)


def _binary(expression: Binary, event: Mapping[str, Value]) -> Value:
    symbol, left = expression.symbol, _value(expression.left, event)
    if symbol in ("AND", "OR"):
        known = to_boolean(left)
        return known if known == (symbol == "OR") else to_boolean(_value(expression.right, event))
    right = _value(expression.right, event)
    if symbol == "XOR":
        return to_boolean(left) != to_boolean(right)
    if symbol in ("=", "!=", "<>"):
        return (cast_like(left, right) == right) == (symbol == "=")
    if symbol in _COMPARE:
        return _COMPARE[symbol](to_integer(left), to_integer(right))
    return _arithmetic(symbol, to_integer(left), to_integer(right))


def _arithmetic(symbol: str, left: int, right: int) -> int:
    """Division truncates towards zero; the remainder has the sign of the dividend."""
    if symbol in _COUNT:
        return wrapped(_COUNT[symbol](left, right))
    if right == 0:
        raise EvaluationError("math", "division by zero", 0)
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return wrapped(quotient if symbol == "/" else left - quotient * right)


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    """`%` any characters, `_` one; a backslash takes their meaning away."""
    parts = []
    at = 0
    for match in _WILDCARD.finditer(pattern):
        parts.append(re.escape(pattern[at : match.start()]))
        parts.append({"%": ".*", "_": "."}.get(match[0]) or re.escape(match[0][1:]))
        at = match.end()
    return re.compile("".join([*parts, re.escape(pattern[at:])]), re.DOTALL)
