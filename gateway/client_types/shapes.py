"""An OpenAPI document as the few shapes that a client's types are made of."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

REF = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Plain:
    """A JSON type without structure: string, integer, number, boolean, null, or any."""

    kind: str


@dataclass(frozen=True, slots=True)
class Literals:
    values: tuple[str | int | bool, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    item: "Shape"


@dataclass(frozen=True, slots=True)
class MapOf:
    value: "Shape"


@dataclass(frozen=True, slots=True)
class OneOf:
    options: tuple["Shape", ...]


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    shape: "Shape"
    required: bool


@dataclass(frozen=True, slots=True)
class Record:
    members: tuple[Member, ...]


Shape = Plain | Literals | Reference | ListOf | MapOf | OneOf | Record


@dataclass(frozen=True, slots=True)
class Named:
    """A type of its own: a component, or the query, body or answer of an operation."""

    name: str
    shape: Shape
    about: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What goes in and what comes out, by the names of types; None where there is nothing."""

    title: str
    query: str | None
    body: str | None
    answer: str | None


def types_of(document: dict[str, Any]) -> tuple[list[Named], list[Operation]]:
    """Every type a client needs, components first."""
    schemas = document.get("components", {}).get("schemas", {})
    named = [Named(name, shape_of(schema), schema.get("description", "")) for name, schema in sorted(schemas.items())]
    operations = []
    for title, operation in _operations(document):
        found = _parts(operation)
        named += found.values()
        names = {part: one.name for part, one in found.items()}
        operations.append(Operation(title, names.get("query"), names.get("body"), names.get("answer")))
    return named, operations


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def _parts(operation: dict[str, Any]) -> dict[str, Named]:
    name = "".join(word.title() for word in re.split(r"\W+|_", operation["operationId"]))
    query = [one for one in operation.get("parameters", []) if one["in"] == "query"]
    parts: dict[str, Shape] = {}
    if query:
        members = (Member(one["name"], shape_of(one["schema"]), one.get("required", False)) for one in query)
        parts["query"] = Record(tuple(members))
    if (body := _json(operation.get("requestBody", {}))) is not None:
        parts["body"] = shape_of(body)
    good = (answer for status, answer in operation["responses"].items() if status.startswith("2"))
    if (answer := _json(next(good, {}))) is not None:
        parts["answer"] = shape_of(answer)
    return {part: Named(f"{name}{part.title()}", shape) for part, shape in parts.items()}


def _json(holder: dict[str, Any]) -> dict[str, Any] | None:
    schema: dict[str, Any] | None = holder.get("content", {}).get("application/json", {}).get("schema")
    return schema


def shape_of(schema: dict[str, Any]) -> Shape:
    """What JSON Schema knows beside the shape, as bounds and patterns, is left to the server."""
    if "$ref" in schema:
        return Reference(schema["$ref"].removeprefix(REF))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return _one_of([shape_of(option) for option in schema[several]])
    if "const" in schema:
        return Literals((schema["const"],))
    if "enum" in schema:
        return Literals(tuple(schema["enum"]))
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return _one_of([shape_of(schema | {"type": one}) for one in kind])
    if kind == "array":
        return ListOf(shape_of(schema.get("items", {})))
    return _object(schema) if kind == "object" else Plain(kind)


def _one_of(options: list[Shape]) -> Shape:
    distinct = tuple(dict.fromkeys(options))
    return distinct[0] if len(distinct) == 1 else OneOf(distinct)


def _object(schema: dict[str, Any]) -> Shape:
    properties = schema.get("properties", {})
    if not properties:
        more = schema.get("additionalProperties", {})
        return MapOf(shape_of(more if isinstance(more, dict) else {}))
    required = schema.get("required", ())
    return Record(tuple(Member(name, shape_of(one), name in required) for name, one in properties.items()))
