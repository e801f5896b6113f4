"""YAML whose every value knows its line, read strictly: what is wrong is refused with file, line and what to write."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from shared.errors import InvalidInput

Json: TypeAlias = dict[str, Any]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}")
_MAX_BYTES = 1024 * 1024


class _Loader(yaml.SafeLoader):
    """Dates stay text, as in JSON."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the shape is PyYAML's
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Table:
    """A mapping that must be read to the end: `finish` refuses what nobody asked for."""

    def __init__(self, node: yaml.Node, file: str, path: str = "") -> None:
        self.file, self.path, self.line = file, path, node.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse("", "write a mapping of names to values")
        self._nodes: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused(
                    file, key.start_mark.line + 1, path, "write a name before the colon, not a list or a mapping"
                )
            if key.value in self._nodes:
                raise _refused(file, key.start_mark.line + 1, self.at(key.value), "stands twice; keep one")
            self._nodes[key.value] = value
            self._lines[key.value] = key.start_mark.line + 1
        self._left = set(self._nodes)

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path and name else self.path or name

    def refuse(self, name: str, advice: str) -> InvalidInput:
        """An error at the line of `name`, or at the table's own."""
        line = self._lines.get(name, self.line) if name else self.line
        return _refused(self.file, line, self.at(name), advice)

    def names(self) -> list[str]:
        return list(self._nodes)

    def plain(self) -> Json:
        """All of it, as written; nothing counts as read by that."""
        return {name: self._constructed(name, node) for name, node in self._nodes.items()}

    def value(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        self._left.discard(name)
        node = self._nodes.get(name)
        return None if node is None else self._constructed(name, node)

    def _constructed(self, name: str, node: yaml.Node) -> Any:  # noqa: ANN401 - any JSON
        try:
            return _Loader("").construct_document(node)
        except (yaml.YAMLError, ValueError, TypeError, AttributeError):
            raise self.refuse(name, "is not what its tag says; write a plain value, without a tag") from None

    def text(self, name: str, default: str | None = None) -> str | None:
        """Scalars become text as faas-cli makes them."""
        value = self.value(name)
        if isinstance(value, dict | list):
            raise self.refuse(name, "write one value, not a list or a mapping")
        if isinstance(value, bool):
            return "true" if value else "false"
        return default if value is None else str(value)

    def required(self, name: str, example: str) -> str:
        value = self.text(name)
        if not value:
            raise self.refuse(name, f"is missing; write {name}: {example}")
        return value

    def whole(self, name: str, default: int | None = None, *, minimum: int = 0) -> int:
        value = default if name not in self._nodes else self.value(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise self.refuse(name, f"write a whole number of at least {minimum}")
        return value

    def texts(self, name: str) -> dict[str, str]:
        inner = self.table(name)
        return {} if inner is None else {key: inner.text(key) or "" for key in inner.names()}

    def words(self, name: str) -> tuple[str, ...]:
        found = self.value(name)
        if found is not None and (not isinstance(found, list) or any(isinstance(word, dict | list) for word in found)):
            raise self.refuse(name, "write a list: [one, two]")
        return tuple(str(word) for word in found or ())

    def table(self, name: str) -> "Table | None":
        self._left.discard(name)
        node = self._nodes.get(name)
        empty = node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null")
        return None if empty or node is None else Table(node, self.file, self.at(name))

    def tables(self, name: str) -> list["Table"]:
        self._left.discard(name)
        node = self._nodes.get(name)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.refuse(name, "write a list of mappings")
        return [Table(item, self.file, f"{self.at(name)}[{at}]") for at, item in enumerate(node.value)]

    def finish(self) -> None:
        for name in self._nodes:
            if name in self._left:
                known = ", ".join(sorted(set(self._nodes) - self._left)) or "none of these"
                raise self.refuse(name, f"is no field here; remove it or correct its name (read so far: {known})")


def documents(file: Path, variables: Mapping[str, str] | None = None, *, shown: str = "") -> list[Table]:
    """`${NAME:-default}` is replaced first where `variables` are given, as faas-cli does. Errors call it `shown`."""
    shown = shown or file.name
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            "description_unreadable", f"{shown}: cannot be read: {_reason(error)}", field=shown
        ) from None
    if len(text) > _MAX_BYTES:
        raise _refused(shown, 1, "", f"is over {_MAX_BYTES} bytes; split it")
    if variables is not None:
        text = _VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", text)
    try:
        _refuse_references(text, shown)
        nodes = [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise _refused(shown, line, "", f"is not YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _refused(shown, line, "", "has a control character; remove it") from None
    except RecursionError:
        raise _refused(shown, 1, "", "is nested too deeply; write fewer levels") from None
    return [Table(node, shown) for node in nodes if node.tag != "tag:yaml.org,2002:null"]


def document(file: Path, variables: Mapping[str, str] | None = None) -> Table:
    """The only one of its file."""
    found = documents(file, variables)
    if len(found) != 1:
        raise _refused(file.name, 1, "", f"has {len(found)} documents; write one")
    return found[0]


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "it fails") if isinstance(error, OSError) else "it is not UTF-8"


def _refuse_references(text: str, file: str) -> None:
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise _refused(file, line, "", "write the value out: references (*name) are not read")


def _refused(file: str, line: int, path: str, advice: str) -> InvalidInput:
    where = f"{file}:{line}: {path}: " if path else f"{file}:{line}: "
    return InvalidInput("description_invalid", where + advice, field=path or file)
