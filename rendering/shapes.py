"""What a manifest may say: a shape names its fields, and how each is checked."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rendering.located import Table

Check: TypeAlias = Callable[[Table, str], None]
# Allowed fields below a field, or the check of its value.
Shape: TypeAlias = Mapping[str, "Shape | Check"]

LONGEST_NAME = 63
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DURATION = re.compile(r"P(?=[\dT])(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
_CRON_FIELD = r"[\d*/,\-A-Za-z?]+"
_SCHEDULE = re.compile(rf"@(every \S+|hourly|daily|weekly|monthly|yearly)|{_CRON_FIELD}( {_CRON_FIELD}){{4,5}}")


@dataclass(frozen=True)
class Required:
    """A field that must be there: `example` is what to write."""

    check: Check
    example: str

    def __call__(self, table: Table, name: str) -> None:
        self.check(table, name)


def check(table: Table, shape: Shape) -> None:
    """Raises `InvalidInput` at the first field that is unknown, cannot be right or is missing."""
    for name in table.names():
        if name not in shape:
            raise table.refuse(name, f"is no field here; remove it, or write one of {', '.join(sorted(shape))}")
        inner = shape[name]
        if callable(inner):
            inner(table, name)
        elif (below := table.table(name)) is not None:
            check(below, inner)
    for name, inner in shape.items():
        if isinstance(inner, Required):
            table.required(name, inner.example)


def check_name(given: str, table: Table, field: str) -> None:
    """Names of objects become names of hosts."""
    if len(given) > LONGEST_NAME:
        raise table.refuse(field, f"the name has {len(given)} characters; write one of at most {LONGEST_NAME}")
    if not _NAME.fullmatch(given):
        raise table.refuse(field, "write a name of lower-case letters, digits and hyphens that begins with a letter")


def text(table: Table, name: str) -> None:
    if not isinstance(table.value(name), str):
        raise table.refuse(name, "write text; quote what would be read as a number")


def texts(table: Table, name: str) -> None:
    inner = table.table(name)
    for each in [] if inner is None else inner.names():
        text(inner, each)  # type: ignore[arg-type]


def object_name(table: Table, name: str) -> None:
    check_name(table.text(name) or "", table, name)


def whole(table: Table, name: str) -> None:
    table.whole(name)


def duration(table: Table, name: str) -> None:
    given = table.value(name)
    if not isinstance(given, str) or not _DURATION.fullmatch(given):
        raise table.refuse(name, "write a duration as ISO 8601 has them: PT0.2S, PT5M")


def yes_or_no(table: Table, name: str) -> bool:
    given = table.text(name, "false")
    if given not in ("true", "false"):
        raise table.refuse(name, "write true or false")
    return given == "true"


def one_of(*words: str) -> Check:
    def inner(table: Table, name: str) -> None:
        if table.value(name) not in words:
            raise table.refuse(name, f"write {' or '.join(words)}")

    return inner


def schedule(table: Table, name: str) -> None:
    if not _SCHEDULE.fullmatch(table.text(name) or ""):
        raise table.refuse(name, 'write five fields of cron, such as "*/5 * * * *"')


def json_text(table: Table, name: str) -> None:
    try:
        json.loads(table.text(name) or "")
    except ValueError:
        raise table.refuse(name, "is not JSON; write one value of it, quoted: '{}'") from None


NAMES: Shape = {"name": Required(object_name, "chunk"), "namespace": Required(object_name, "sluice")}


def reference(version: str, kind: str) -> Shape:
    """To an object of that kind."""
    of_kind = {"apiVersion": version, "kind": kind}
    return {**{name: Required(one_of(word), word) for name, word in of_kind.items()}, **NAMES}
