"""Which events a Trigger wants: `filter.attributes` and the `filters` dialects, with Knative's three-valued results.

A filter that cannot be built is skipped, and a Trigger without any filter left lets everything through: that is what
the real broker does, so the emulator must too. `emulator.eventing` refuses such filters where Knative's webhook would.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

from emulator.cesql import evaluate, parse


class Result(Enum):
    PASS = "pass"  # noqa: S105 - no secret
    FAIL = "fail"
    NONE = "none"


Attributes: TypeAlias = Mapping[str, str]
Filter: TypeAlias = Callable[[Attributes], Result]

DIALECTS = ("exact", "prefix", "suffix", "all", "any", "not", "cesql")
HOLDS: Mapping[str, Callable[[str, str], bool]] = {
    "exact": str.__eq__,
    "prefix": str.startswith,
    "suffix": str.endswith,
}

_NO_TIME = "0001-01-01T00:00:00Z"
_OPTIONAL = frozenset({"subject", "dataschema", "schemaurl", "datacontenttype", "datamediatype", "datacontentencoding"})


def compile_trigger(
    attributes: Mapping[str, str] | None, filters: Sequence[Mapping[str, Any]]
) -> Callable[[Attributes], bool]:
    """A non-empty `filters` hides `filter`."""
    wanted = _first(Result.FAIL, _build_each(filters)) if filters else _by_attributes(attributes)
    return lambda event: wanted(event) is not Result.FAIL


def lookup(event: Attributes, name: str) -> str | None:
    """None where Knative sees no such attribute; the optional ones of the specification always exist, empty."""
    value = event.get(name)
    if value is not None:
        return value
    if name == "time":
        return _NO_TIME
    if name == "datamediatype":
        return event.get("datacontenttype", "").partition(";")[0].strip()
    if name in ("schemaurl", "dataschema"):
        return event.get("dataschema") or event.get("schemaurl", "")
    return "" if name in _OPTIONAL else None


def _by_attributes(wanted: Mapping[str, str] | None) -> Filter:
    if not wanted:
        return lambda _: Result.NONE
    pairs = tuple(wanted.items())

    def check(event: Attributes) -> Result:
        for name, value in pairs:
            found = lookup(event, name)
            if not found if value == "" else found != value:
                return Result.FAIL
        return Result.PASS

    return check


def _build_each(items: Sequence[Mapping[str, Any]]) -> list[Filter]:
    return [built for item in items if (built := _build(item)) is not None]


def dialect_of(item: Mapping[str, Any]) -> str | None:
    """The first in Knative's order wins; validation refuses a second one. None: the item is skipped."""
    return next((name for name in DIALECTS if item.get(name) or (name == "not" and item.get(name) is not None)), None)


def _build(item: Mapping[str, Any]) -> Filter | None:
    match dialect_of(item):
        case "all":
            return _first(Result.FAIL, _build_each(item["all"]))
        case "any":
            return _first(Result.PASS, _build_each(item["any"]))
        case "not":
            return _not(_build(item["not"]))
        case "cesql":
            return _cesql(item["cesql"])
        case None:
            return None
        case name:
            return _text(item[name], HOLDS[name])


def _text(wanted: Mapping[str, str], holds: Callable[[str, str], bool]) -> Filter | None:
    if not is_buildable(wanted):
        return None
    pairs = tuple(wanted.items())

    def check(event: Attributes) -> Result:
        for name, value in pairs:
            found = lookup(event, name)
            if found is None or not holds(found, value):
                return Result.FAIL
        return Result.PASS

    return check


def is_buildable(wanted: Mapping[str, str]) -> bool:
    """Whether an `exact`, `prefix` or `suffix` counts: with an empty name or value in it, it is skipped."""
    return all(wanted) and all(wanted.values())


def _first(ending: Result, filters: Sequence[Filter]) -> Filter:
    """The first result that is `ending`, else the last: an unknown one at the end lets everything through."""

    def check(event: Attributes) -> Result:
        result = Result.NONE
        for each in filters:
            result = each(event)
            if result is ending:
                break
        return result

    return check


def _not(inner: Filter | None) -> Filter:
    flipped = {Result.PASS: Result.FAIL, Result.FAIL: Result.PASS, Result.NONE: Result.NONE}
    return lambda event: flipped[inner(event)] if inner is not None else Result.NONE


def _cesql(expression: str) -> Filter:
    """What cannot be read, fails on the event, or gives something else than true, delivers nothing."""
    parsed = parse(expression).expression
    if parsed is None:
        return lambda _: Result.FAIL

    def check(event: Attributes) -> Result:
        outcome = evaluate(parsed, event)
        return Result.PASS if outcome.value is True and outcome.error is None else Result.FAIL

    return check
