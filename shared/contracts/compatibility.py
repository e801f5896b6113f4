"""What a new version of a schema may not do to those who still send by the old one."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

# Keyword by keyword: does the new bound let through all that the old one did? None stands for no bound.
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_SAME = ("pattern", "format", "const", "additionalProperties")


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """One line for each field removed, newly required or narrowed; empty when old senders go on unharmed."""
    return list(_compare(_Versions(old, new), old, new, "data"))


class _Versions:
    """Both documents, to follow `$ref` in each."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new

    def resolve(self, old: Schema, new: Schema) -> tuple[Schema, Schema]:
        return _follow(self._old, old), _follow(self._new, new)


def _follow(document: Schema, schema: Schema) -> Schema:
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return document["$defs"][name] if name else schema


def _compare(versions: _Versions, old: Schema, new: Schema, where: str) -> Iterator[str]:
    old, new = versions.resolve(old, new)
    if "anyOf" in old or "anyOf" in new:
        yield from _compare_unions(versions, old, new, where)
        return
    yield from _compare_fields(versions, old, new, where)
    yield from _compare_bounds(old, new, where)
    if "items" in old and "items" in new:
        yield from _compare(versions, old["items"], new["items"], f"{where}[]")


def _compare_fields(versions: _Versions, old: Schema, new: Schema, where: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    yield from (f"{where}.{name} was removed" for name in before.keys() - after.keys())
    newly = set(new.get("required", ())) - set(old.get("required", ()))
    yield from (f"{where}.{name} is newly required" for name in newly)
    for name in before.keys() & after.keys():
        yield from _compare(versions, before[name], after[name], f"{where}.{name}")


def _compare_bounds(old: Schema, new: Schema, where: str) -> Iterator[str]:
    if not _kinds(old) <= _kinds(new):
        yield f"{where} changed its type"
    if "enum" in new and not set(old.get("enum", [old.get("const")])) <= set(new["enum"]):
        yield f"{where} lost a value"
    for keyword in _SAME:
        if keyword in new and new[keyword] != old.get(keyword) and new[keyword] is not True:
            yield f"{where} has another {keyword}"
    for keyword in _UPPER:
        if keyword in new and new[keyword] < old.get(keyword, float("inf")):
            yield f"{where} has a lower {keyword}"
    for keyword in _LOWER:
        if keyword in new and new[keyword] > old.get(keyword, float("-inf")):
            yield f"{where} has a higher {keyword}"


def _compare_unions(versions: _Versions, old: Schema, new: Schema, where: str) -> Iterator[str]:
    """Each old branch must still fit one of the new."""
    for branch in old.get("anyOf", [old]):
        candidates = new.get("anyOf", [new])
        if not any(not list(_compare(versions, branch, candidate, where)) for candidate in candidates):
            yield f"{where} no longer takes what one of its forms took"


def _kinds(schema: Schema) -> set[str]:
    """JSON types taken; a number takes integers too. No `type` means whatever the enum says."""
    kind = schema.get("type")
    kinds = {kind} if isinstance(kind, str) else set(kind or ())
    return kinds | {"integer"} if "number" in kinds else kinds
