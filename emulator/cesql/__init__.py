"""CloudEvents SQL, not built yet: every expression is refused."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parsed:
    expression: object | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    value: bool | int | str
    errors: tuple[str, ...]


def parse(text: str) -> Parsed:
    return Parsed(None, f"CESQL is not supported yet: {text[:80]}")


def evaluate(expression: object, event: Mapping[str, str]) -> Outcome:
    raise NotImplementedError
