"""Why a Trigger wants an event or not: the same decision as `filters` makes, told with the item that made it.

Apart from the hot path, and held equal to it by a property test.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from emulator.broker.filters import HOLDS, Attributes, Result, dialect_of, is_buildable, lookup
from emulator.cesql import evaluate, parse
from emulator.cesql.syntax import Attribute, Exists

_SAYS = {"exact": "is", "prefix": "begins with", "suffix": "ends with"}
_DENIES = {"exact": "not", "prefix": "and does not begin with", "suffix": "and does not end with"}
_FLIPPED = {Result.PASS: Result.FAIL, Result.FAIL: Result.PASS, Result.NONE: Result.NONE}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` begins with the path of what decided."""

    result: Result
    reason: str

    @property
    def match(self) -> bool:
        return self.result is not Result.FAIL


def explain(attributes: Mapping[str, str] | None, filters: Sequence[Mapping[str, Any]], event: Attributes) -> Verdict:
    """A non-empty `filters` hides `filter`."""
    if filters:
        return _first(Result.FAIL, filters, "spec.filters", event)
    return _by_attributes(attributes or {}, event)


def _by_attributes(wanted: Mapping[str, str], event: Attributes) -> Verdict:
    path = "spec.filter.attributes"
    if not wanted:
        return Verdict(Result.NONE, "spec: without a filter every event passes")
    for name, value in wanted.items():
        found = lookup(event, name)
        if value == "" and not found:
            return Verdict(Result.FAIL, _denied(f"{path}.{name}", name, found, "and must not be empty"))
        if value and found != value:
            return Verdict(Result.FAIL, _denied(f"{path}.{name}", name, found, f"not {value!r}"))
    return Verdict(Result.PASS, "; ".join(f"{path}.{name}: {_told(name, lookup(event, name))}" for name in wanted))


def _item(item: Mapping[str, Any], path: str, event: Attributes) -> Verdict | None:
    """None: skipped, as if it were not there."""
    dialect = dialect_of(item)
    path = f"{path}.{dialect}"
    match dialect:
        case None:
            return None
        case "all":
            return _first(Result.FAIL, item["all"], path, event)
        case "any":
            return _first(Result.PASS, item["any"], path, event)
        case "not":
            return _not(_item(item["not"], path, event), path)
        case "cesql":
            return _cesql(item["cesql"], path, event)
        case _:
            return _text(dialect, item[dialect], path, event) if is_buildable(item[dialect]) else None


def _text(dialect: str, wanted: Mapping[str, str], path: str, event: Attributes) -> Verdict:
    for name, value in wanted.items():
        found = lookup(event, name)
        if found is None or not HOLDS[dialect](found, value):
            return Verdict(Result.FAIL, _denied(f"{path}.{name}", name, found, f"{_DENIES[dialect]} {value!r}"))
    return Verdict(
        Result.PASS, "; ".join(f"{path}.{name}: {name} {_SAYS[dialect]} {wanted[name]!r}" for name in wanted)
    )


def _each(items: Sequence[Mapping[str, Any]], path: str, event: Attributes) -> Iterator[Verdict]:
    for at, item in enumerate(items):
        verdict = _item(item, f"{path}[{at}]", event)
        if verdict is not None:
            yield verdict


def _first(ending: Result, items: Sequence[Mapping[str, Any]], path: str, event: Attributes) -> Verdict:
    found = []
    for verdict in _each(items, path, event):
        if verdict.result is ending:
            return verdict
        found.append(verdict)
    return _last(found, path)


def _last(found: Sequence[Verdict], path: str) -> Verdict:
    """None of them decided alone: the last one's result counts."""
    if not found:
        return Verdict(Result.NONE, f"{path}: nothing in it can be built, which lets every event pass")
    if found[-1].result is Result.NONE:
        return found[-1]
    return Verdict(found[-1].result, "; ".join(verdict.reason for verdict in found))


def _not(inner: Verdict | None, path: str) -> Verdict:
    if inner is None:
        return Verdict(Result.NONE, f"{path}: nothing in it can be built, which lets every event pass")
    return Verdict(_FLIPPED[inner.result], f"{path} turns round: {inner.reason}")


def _cesql(text: str, path: str, event: Attributes) -> Verdict:
    parsed = parse(text)
    if parsed.expression is None:
        return Verdict(Result.FAIL, f"{path}: not a CESQL expression: {parsed.error}")
    outcome = evaluate(parsed.expression, event)
    if outcome.error is not None:
        return Verdict(Result.FAIL, f"{path}: {outcome.message or outcome.error}, and an error delivers nothing")
    if not isinstance(outcome.value, bool):
        return Verdict(Result.FAIL, f"{path}: gives {outcome.value!r}, no boolean, which makes a cluster answer 500")
    seen = ", ".join(dict.fromkeys(_told(name, event.get(name)) for name in attributes_in(parsed.expression)))
    told = f"{path}: {'true' if outcome.value else 'false'}" + (f", for {seen}" if seen else "")
    return Verdict(Result.PASS if outcome.value else Result.FAIL, told)


def attributes_in(part: object) -> Iterator[str]:
    """The attributes that an expression asks for."""
    if isinstance(part, Attribute | Exists):
        yield part.name
    elif isinstance(part, tuple):
        for each in part:
            yield from attributes_in(each)
    elif is_dataclass(part):
        for each in fields(part):
            yield from attributes_in(getattr(part, each.name))


def _denied(path: str, name: str, found: str | None, denial: str) -> str:
    return f"{path}: {_told(name, found)}" + ("" if found is None else f", {denial}")


def _told(name: str, found: str | None) -> str:
    return f"the event has no {name}" if found is None else f"{name} is {found!r}"
