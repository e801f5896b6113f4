"""Reads Kubernetes manifests strictly: no field is unknown, and an error names the field's path."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from emulator.yaml_bounds import NOT_YAML
from shared.errors import InvalidInput

MAX_MANIFEST_BYTES = 256 * 1024
_MAX_DEPTH = 64
_DURATION = re.compile(r"P(?:(\d+)W)?(?:([\d.]+)D)?(?:T(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?)?")
_DURATION_UNITS_S = (7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0)


def invalid(path: str, problem: str) -> InvalidInput:
    return InvalidInput("manifest_invalid", f"{path}: {problem}" if path else problem, field=path or None)


class Fields:
    """A mapping that must be read to the end: `finish` refuses what nobody asked for."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise invalid(path, "must be a mapping of names to values")
        self.path = path
        self._left: dict[str, Any] = dict(value)

    def names(self) -> list[str]:
        return list(self._left)

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        return self._left.get(name) is not None

    def value(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        return self._left.pop(name, None)

    def fields(self, name: str) -> "Fields | None":
        value = self.value(name)
        return None if value is None else Fields(value, self.at(name))

    def text(self, name: str) -> str | None:
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise invalid(self.at(name), "must be text (quote it)")
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise invalid(self.at(name), "is missing")
        return value

    def texts(self, name: str) -> dict[str, str] | None:
        """A mapping of text to text."""
        inner = self.fields(name)
        return None if inner is None else {key: inner.text(key) or "" for key in inner.names()}

    def items(self, name: str) -> list[Any] | None:
        value = self.value(name)
        if value is not None and not isinstance(value, list):
            raise invalid(self.at(name), "must be a list")
        return value

    def each(self, name: str) -> "list[Fields]":
        """A list of mappings."""
        return [Fields(item, f"{self.at(name)}[{at}]") for at, item in enumerate(self.items(name) or [])]

    def words(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self.items(name) or []
        for at, word in enumerate(found):
            if not isinstance(word, str):
                raise invalid(f"{self.at(name)}[{at}]", "must be text (quote it)")
        return tuple(found)

    def truth(self, name: str) -> bool:
        value = self.value(name)
        if value is not None and not isinstance(value, bool):
            raise invalid(self.at(name), "must be true or false")
        return bool(value)

    def whole(self, name: str) -> int | None:
        value = self.value(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise invalid(self.at(name), "must be a whole number, 0 or more")
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is not None and value not in allowed:
            raise invalid(self.at(name), f"must be one of {', '.join(allowed)}")
        return value

    def duration_s(self, name: str) -> float | None:
        value = self.text(name)
        return None if value is None else _duration_s(value, self.at(name))

    def skip(self, *names: str) -> None:
        """Fields that are right in a manifest and mean nothing here."""
        for name in names:
            self._left.pop(name, None)

    def finish(self) -> None:
        for name in self._left:
            raise invalid(self.at(name), "unknown field")


def documents(text: str) -> Iterator[object]:
    """The documents of a YAML file, in JSON's types only. Raises `InvalidInput`; references (`*x`) are refused."""
    if len(text.encode()) > MAX_MANIFEST_BYTES:
        raise invalid("", f"a manifest is at most {MAX_MANIFEST_BYTES} bytes")
    try:
        _check_shape(text)
        yield from (found for found in yaml.load_all(text, Loader=_Loader) if found is not None)
    except NOT_YAML as error:
        raise invalid("", f"not YAML: {' '.join(str(error).split())[:200]}") from error


def _check_shape(text: str) -> None:
    """Before anything is built: no references, which can make a small text huge, and no depth that takes for ever."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise invalid("", "references (*name) are not supported in manifests")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise invalid("", f"nested more than {_MAX_DEPTH} deep")


class _Loader(yaml.SafeLoader):
    """Timestamps stay text, as in JSON; a name given twice is an error, as in Kubernetes."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the shape is PyYAML's
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise invalid("", f"a name is given twice near line {node.start_mark.line + 1}")
        return mapping


def _duration_s(value: str, path: str) -> float:
    match = _DURATION.fullmatch(value)
    if match is None or not any(match.groups()) or value.endswith("T"):
        raise invalid(path, f"{value!r} is not an ISO 8601 duration such as PT0.5S")
    try:
        return sum(float(part) * unit for part, unit in zip(match.groups(), _DURATION_UNITS_S, strict=True) if part)
    except ValueError as error:
        raise invalid(path, f"{value!r} is not an ISO 8601 duration such as PT0.5S") from error
