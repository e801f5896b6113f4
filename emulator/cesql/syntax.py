"""The parts of a parsed CESQL expression."""

from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = bool | int | str


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str


@dataclass(frozen=True, slots=True)
class Exists:
    name: str


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Negate:
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Like:
    operand: "Expression"
    pattern: str
    negated: bool


@dataclass(frozen=True, slots=True)
class In:
    operand: "Expression"
    members: tuple["Expression", ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Binary:
    """`symbol` is AND, OR, XOR, a comparison or an arithmetic operator."""

    symbol: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Call:
    """`name` in upper case."""

    name: str
    arguments: tuple["Expression", ...]


Expression: TypeAlias = Literal | Attribute | Exists | Not | Negate | Like | In | Binary | Call
