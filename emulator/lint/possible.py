"""Which results a filter can have at all: what can never fail lets every event through."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from emulator.broker.explain import attributes_in
from emulator.broker.filters import Result, dialect_of, is_buildable
from emulator.cesql import evaluate, parse

Results: TypeAlias = frozenset[Result]
Item: TypeAlias = Mapping[str, Any]

EITHER = frozenset({Result.PASS, Result.FAIL})
NOTHING = frozenset({Result.NONE})
_FLIPPED = {Result.PASS: Result.FAIL, Result.FAIL: Result.PASS, Result.NONE: Result.NONE}


def passes_everything(attributes: Mapping[str, str] | None, filters: Sequence[Item]) -> bool:
    """A non-empty `filters` hides `filter`."""
    return Result.FAIL not in _chain(Result.FAIL, filters) if filters else not attributes


def skipped(filters: Sequence[Item], path: str) -> Iterator[str]:
    """The paths of items that cannot be built; a cluster leaves them out."""
    for at, item in enumerate(filters):
        yield from _skipped(item, f"{path}[{at}]")


def _skipped(item: Item, path: str) -> Iterator[str]:
    dialect = dialect_of(item)
    match dialect:
        case "all" | "any":
            yield from skipped(item[dialect], f"{path}.{dialect}")
        case "not":
            yield from _skipped(item["not"], f"{path}.not")
        case _ if _results(item) is None:
            yield path


def _results(item: Item) -> Results | None:
    """None: it cannot be built."""
    match dialect_of(item):
        case None:
            return None
        case "all":
            return _chain(Result.FAIL, item["all"])
        case "any":
            return _chain(Result.PASS, item["any"])
        case "not":
            return frozenset(_FLIPPED[result] for result in _results(item["not"]) or NOTHING)
        case "cesql":
            return _of_expression(item["cesql"])
        case dialect:
            return EITHER if is_buildable(item[dialect]) else None


def _of_expression(text: str) -> Results:
    """Always the same where it asks for no attribute."""
    expression = parse(text).expression
    if expression is None or any(attributes_in(expression)):
        return EITHER if expression is not None else frozenset({Result.FAIL})
    outcome = evaluate(expression, {})
    return frozenset({Result.PASS if outcome.value is True and outcome.error is None else Result.FAIL})


def _chain(ending: Result, items: Sequence[Item]) -> Results:
    """`ending` if any item can give it, else what the last one gives otherwise."""
    found = [results for item in items if (results := _results(item)) is not None]
    if not found:
        return NOTHING
    rest = found[-1] - {ending}
    if all(results != {ending} for results in found):
        return rest | ({ending} if any(ending in results for results in found) else frozenset())
    return frozenset({ending})
