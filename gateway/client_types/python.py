"""Shapes as Python: `TypedDict` classes, which cost nothing at run time and fit what `json.loads` gives."""

import json
from typing import assert_never

from gateway.client_types.shapes import (
    ListOf,
    Literals,
    MapOf,
    Named,
    OneOf,
    Operation,
    Plain,
    Record,
    Reference,
    Shape,
)

PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
HEAD = '''"""The types of Sluice's HTTP interface, for Python 3.11 and later."""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict
'''


def written(named: list[Named], operations: list[Operation]) -> str:
    """One module. Records within records get classes of their own, named after where they are."""
    parts = [HEAD]
    for one in named:
        parts += _definitions(one.name, one.shape, one.about)
    table = [f"# {one.title}: {one.query or '-'}, {one.body or '-'} -> {one.answer or '-'}" for one in operations]
    return "\n\n".join([*parts, "# Each operation's query, body and answer.\n" + "\n".join(table)]) + "\n"


def _definitions(name: str, shape: Shape, about: str = "") -> list[str]:
    inner: list[str] = []
    if not isinstance(shape, Record):
        written_type = _type(shape, name, inner)
        return [*inner, f"{name}: TypeAlias = {json.dumps(written_type)}"]
    members = []
    for member in shape.members:
        text = _type(member.shape, name + member.name.title().replace("_", ""), inner)
        members.append((member.name, text if member.required else f"NotRequired[{text}]"))
    # The functional form takes any name, and needs no order of definition: its types are texts.
    lines = "".join(f"        {json.dumps(key)}: {json.dumps(text)},\n" for key, text in members)
    comment = f"# {' '.join(about.split())}\n" if about else ""
    return [*inner, f'{comment}{name} = TypedDict(\n    "{name}",\n    {{\n{lines}    }},\n)']


def _type(shape: Shape, name: str, inner: list[str]) -> str:
    """`inner` takes the definitions of records that have no name yet; `name` is what such a one would be called."""
    match shape:
        case Plain(kind):
            return PLAIN.get(kind, "Any")
        case Literals(values):
            return f"Literal[{', '.join(repr(value) for value in values)}]"
        case Reference(referred):
            return referred
        case ListOf(item):
            return f"list[{_type(item, name + 'Item', inner)}]"
        case MapOf(value):
            return f"dict[str, {_type(value, name + 'Value', inner)}]"
        case OneOf(options):
            return " | ".join(_type(option, f"{name}{n or ''}", inner) for n, option in enumerate(options))
        case Record():
            inner += _definitions(name, shape)
            return name
        case _:
            assert_never(shape)
