"""The filters of a Trigger, checked as Knative's webhook checks them: what it lets pass, we let pass."""

import re
from collections.abc import Mapping
from typing import Any

from emulator.broker.filters import DIALECTS
from emulator.cesql import parse
from emulator.fields import Fields, invalid

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*")
MAX_DEPTH = 16


def attributes_filter(spec: Fields) -> Mapping[str, str] | None:
    fields = spec.fields("filter")
    if fields is None:
        return None
    attributes = fields.texts("attributes")
    fields.finish()
    _check_names(attributes or {}, "spec.filter.attributes")
    return attributes


def _check_names(attributes: Mapping[str, str], path: str) -> None:
    for name in attributes:
        if not _ATTRIBUTE.fullmatch(name):
            raise invalid(f"{path}.{name}", "an attribute's name is lower-case letters and digits")


def filters(spec: Fields) -> tuple[Mapping[str, Any], ...]:
    return tuple(_each(spec.items("filters") or [], "spec.filters", 0))


def _each(items: list[Any], path: str, depth: int) -> list[Mapping[str, Any]]:
    if depth > MAX_DEPTH:
        raise invalid(path, "nested too deeply")
    return [_one_filter(Fields(item, f"{path}[{at}]"), depth) for at, item in enumerate(items)]


def _one_filter(fields: Fields, depth: int) -> Mapping[str, Any]:
    given = [name for name in DIALECTS if fields.has(name)]
    if len(given) > 1:
        raise invalid(fields.path, f"multiple dialects: {', '.join(given)}")
    found = {dialect: _dialect(fields, dialect, fields.at(dialect), depth) for dialect in given}
    fields.skip(*DIALECTS)
    fields.finish()
    return found


def _dialect(fields: Fields, dialect: str, path: str, depth: int) -> object:
    if dialect in ("all", "any"):
        return _each(fields.items(dialect) or [], path, depth + 1)
    if dialect == "not":
        return _each([fields.value("not")], path, depth + 1)[0]
    if dialect == "cesql":
        return _expression(fields.text("cesql") or "", path)
    pairs = fields.texts(dialect) or {}
    _check_names(pairs, path)
    return pairs


def _expression(text: str, path: str) -> str:
    problem = parse(text).error if text else None
    if problem is not None:
        raise invalid(path, f"not a CESQL expression: {problem}")
    return text
