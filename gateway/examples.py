"""Examples for the OpenAPI document, made from the schemas: a route has one as soon as it has types."""

from typing import Any, cast

from shared.events.event import Json

REF = "#/components/schemas/"
DEPTH = 8

# What a field of this name looks like. A text of another name needs an example in its own type, or a line here.
VALUES: dict[str, Json] = {
    "job_id": "7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d",
    "document_id": "d9f3c2aa-0c53-5a4e-9d3e-3f3f5c1f7c10",
    "url": "https://example.org/guide",
    "final_url": "https://example.org/guide/",
    "urls": ["https://example.org/guide"],
    "corpus": "handbook",
    "title": "A guide to leases",
    "text": "Leases expire. The sweeper wakes the work again.",
    "query": "how do leases expire?",
    "name": "handbook",
    "type": "dev.sluice.job.completed.v1",
    "error": "it did not answer in time",
    "secret": "whsec_bm90IGEgcmVhbCBzZWNyZXQsIGFuIGV4YW1wbGU=",
    "vector_index": "ready",
    "detail": "there is no such job, or it is not yours",
    "code": "job_not_found",
    "field": "job_id",
    "message": "this is not valid",
    "request_id": "0c3f6f0f5d7e4c0f8d5a2f6b7c1e9a34",
    "error_code": "http_404",
    "error_message": "the page is gone",
    "kind": "permanent",
    "error_kind": "permanent",
    "webhook_url": "https://workbench.example.org/hooks/sluice",
    "author": "Ada Lovelace",
    "chunker": "cells-1",
    "waiting": None,
    "domain": "example.org",
    "why": "It waits to be fetched, since 2026-02-03 10:15:00Z (2 s ago). The next free scrape worker takes it.",
    "next": None,
    "stage": "scraping",
    "date": "2026-02-03",
    "language": "en",
    "links": {"self": "/api/orchestrator/jobs/7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d"},
    "model": "all-MiniLM-L6-v2",
    "status": "ok",
    "score": 0.83,
    "documents": 12,
    "progress": 0.75,
    "caller_id": "3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
    "owner": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "access": "read",
    "action": "job.submitted",
    "subject": "7a0e2a1c-4f0b-4a55-9a0e-6f2f0a1b2c3d",
}
FORMATS = {
    "uuid": "5f0c3d0e-8a51-4b1c-9d6e-2f7a1b3c4d5e",
    "date-time": "2026-02-03T10:15:00Z",
    "date": "2026-02-03",
    "uri": "https://example.org/guide",
}


class NoExample(ValueError):
    """A text for which nobody has written what it looks like."""


def example_of(schema: dict[str, Any], components: dict[str, Any], name: str = "", depth: int = 0) -> Json:
    """A value that fits. `name` is the field it stands in. Raises `NoExample`, which names the field."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(REF)], components, name, depth + 1)
    if "examples" in schema:
        return cast("Json", schema["examples"][0])
    for given in ("example", "const", "default"):
        if schema.get(given) is not None:
            return cast("Json", schema[given])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return _of_options(schema[several], components, name, depth)
    if "enum" in schema:
        usual = VALUES.get(name)
        return usual if usual in schema["enum"] else cast("Json", schema["enum"][0])
    return _of_type(schema, components, name, depth)


def _of_options(options: list[dict[str, Any]], components: dict[str, Any], name: str, depth: int) -> Json:
    can_be_null = {"type": "null"} in options
    if can_be_null and (depth > DEPTH or VALUES.get(name, "") is None):
        return None
    something = next(option for option in options if option != {"type": "null"})
    return example_of(something, components, name, depth + 1)


def _of_type(schema: dict[str, Any], components: dict[str, Any], name: str, depth: int) -> Json:
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        options = [schema | {"type": one} if one != "null" else {"type": "null"} for one in kind]
        return _of_options(options, components, name, depth)
    match kind:
        case "object":
            return _of_object(schema, components, name, depth)
        case "array":
            return [] if depth > DEPTH else [example_of(schema.get("items", {}), components, name, depth + 1)]
        case "boolean":
            return True
        case "integer" | "number":
            return _number(schema, VALUES.get(name))
        case "null":
            return None
    return _text(schema, name)


def _of_object(schema: dict[str, Any], components: dict[str, Any], name: str, depth: int) -> Json:
    properties = schema.get("properties", {})
    if properties:
        return {key: example_of(one, components, key, depth + 1) for key, one in properties.items()}
    if isinstance(VALUES.get(name), dict):
        return VALUES[name]
    values = schema.get("additionalProperties")
    keys = schema.get("propertyNames", {}).get("enum") or (["example"] if isinstance(values, dict) else [])
    return {key: example_of(values or {}, components, name, depth + 1) for key in keys}


def _number(schema: dict[str, Any], usual: Json) -> float:
    least = cast("float", schema.get("minimum", 0))
    if isinstance(usual, int | float) and not isinstance(usual, bool):
        return max(int(usual) if schema["type"] == "integer" else usual, least)
    return max(3, least)


def _text(schema: dict[str, Any], name: str) -> str:
    if isinstance(usual := VALUES.get(name), str):
        return usual
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    raise NoExample(f"no example for the text {name!r}: give its field one, or a line in gateway/examples.py")
