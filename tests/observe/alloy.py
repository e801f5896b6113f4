"""Alloy's configuration language, read into blocks.

The program itself cannot be had here; its own parser and formatter, built by hand, took every file as it is.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "observe" / "alloy"
_TOKEN = re.compile(r'\s*(?://[^\n]*\s*)*("(?:[^"\\\n]|\\.)*"|[A-Za-z_][\w.]*|-?\d+(?:\.\d+)?|[{}\[\]()=,+])')


@dataclass(frozen=True)
class Reference:
    """A value of another component, or a constant."""

    path: str


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Any, ...]


@dataclass
class Block:
    name: str
    label: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: "list[Block]" = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.name}.{self.label}"

    def of(self, name: str) -> "list[Block]":
        return [each for each in self.blocks if each.name == name]


def read(text: str) -> list[Block]:
    """The components of a file. Raises `ValueError` with what stands where it should not."""
    tokens = _tokens(text)
    whole = Block("", None)
    _body(tokens, whole)
    if tokens:
        raise ValueError(f"unexpected {tokens[-1]!r}")
    if whole.attributes:
        raise ValueError(f"an attribute outside of a component: {list(whole.attributes)}")
    return whole.blocks


def _tokens(text: str) -> list[str]:
    """The last one first, to be popped."""
    found, at = [], 0
    end = len(re.sub(r"(\s|//[^\n]*(\n|$))*$", "", text))
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"cannot be read: {text[at : at + 40]!r}")
        found.append(token[1])
        at = token.end()
    return found[::-1]


def _body(tokens: list[str], block: Block) -> None:
    while tokens and tokens[-1] != "}":
        name = tokens.pop()
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            raise ValueError(f"a name was expected, not {name!r}")
        if tokens[-1] == "=":
            tokens.pop()
            if name in block.attributes:
                raise ValueError(f"{name} twice in {block.name}")
            block.attributes[name] = _expression(tokens)
        else:
            label = json.loads(tokens.pop()) if tokens[-1].startswith('"') else None
            inner = Block(name, label)
            _take(tokens, "{")
            _body(tokens, inner)
            _take(tokens, "}")
            block.blocks.append(inner)


def _expression(tokens: list[str]) -> Any:
    value = _value(tokens)
    while tokens and tokens[-1] == "+":
        tokens.pop()
        value = Call("+", (value, _value(tokens)))
    return value


def _value(tokens: list[str]) -> Any:
    token = tokens.pop()
    if token == "[":
        return list(_several(tokens, "]"))
    if token == "{":
        return _object(tokens)
    if token[0] in '"-' or token[0].isdigit() or token in ("true", "false"):
        return json.loads(token)
    if tokens and tokens[-1] == "(":
        tokens.pop()
        return Call(token, tuple(_several(tokens, ")")))
    return Reference(token)


def _several(tokens: list[str], end: str) -> Iterator[Any]:
    while tokens[-1] != end:
        yield _expression(tokens)
        if tokens[-1] != end:
            _take(tokens, ",")
    tokens.pop()


def _object(tokens: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while tokens[-1] != "}":
        name = tokens.pop()
        _take(tokens, "=")
        found[json.loads(name) if name.startswith('"') else name] = _expression(tokens)
        if tokens[-1] != "}":
            _take(tokens, ",")
    tokens.pop()
    return found


def _take(tokens: list[str], wanted: str) -> None:
    if not tokens or tokens.pop() != wanted:
        raise ValueError(f"{wanted!r} was expected")


def values(block: Block) -> Iterator[Any]:
    """Every value in it and inside, down to the single ones."""

    def inside(value: Any) -> Iterator[Any]:
        yield value
        parts: Iterable[Any] = value if isinstance(value, list) else ()
        parts = value.values() if isinstance(value, Mapping) else value.arguments if isinstance(value, Call) else parts
        for part in parts:
            yield from inside(part)

    for value in block.attributes.values():
        yield from inside(value)
    for inner in block.blocks:
        yield from values(inner)
