"""Shapes as TypeScript."""

import json
import re
from typing import assert_never

from gateway.client_types.shapes import (
    ListOf,
    Literals,
    MapOf,
    Member,
    Named,
    OneOf,
    Operation,
    Plain,
    Record,
    Reference,
    Shape,
)

PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def written(named: list[Named], operations: list[Operation]) -> str:
    """One module: a type each, and `Operations`, from "METHOD /path" to what goes in and comes out."""
    parts = [f"{_comment(one.about)}export type {one.name} = {_type(one.shape)};\n" for one in named]
    lines = [f"  {json.dumps(one.title)}: {{ {_operation(one)} }};" for one in operations]
    return "\n".join([*parts, "export interface Operations {", *lines, "}", ""])


def _operation(one: Operation) -> str:
    return "; ".join(f"{part}: {getattr(one, part) or 'undefined'}" for part in ("query", "body", "answer"))


def _comment(text: str) -> str:
    return f"/** {' '.join(text.split()).replace('*/', '* /')} */\n" if text else ""


def _type(shape: Shape, indent: str = "") -> str:
    match shape:
        case Plain(kind):
            return PLAIN.get(kind, "unknown")
        case Literals(values):
            return " | ".join(json.dumps(value) for value in values)
        case Reference(name):
            return name
        case ListOf(item):
            return f"Array<{_type(item, indent)}>"
        case MapOf(value):
            return f"Record<string, {_type(value, indent)}>"
        case OneOf(options):
            return " | ".join(_type(option, indent) for option in options)
        case Record(members):
            lines = (f"{indent}  {_member(member, indent + '  ')};\n" for member in members)
            return "{\n" + "".join(lines) + indent + "}"
        case _:
            assert_never(shape)


def _member(member: Member, indent: str) -> str:
    name = member.name if re.fullmatch(r"[A-Za-z_]\w*", member.name) else json.dumps(member.name)
    return f"{name}{'' if member.required else '?'}: {_type(member.shape, indent)}"
