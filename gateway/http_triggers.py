"""Reads from `triggers/http.yaml` which stages callers reach, and how."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.contracts.registry import MODELS
from shared.errors import InvalidInput

FILE = "http.yaml"
KIND = "HTTPTrigger"
BODY_BYTES = 256 * 1024
# What pydantic says of a manifest is not what its author must do.
_ADVICE: dict[str, str] = {
    "missing": "is missing; write it",
    "extra_forbidden": "is no field here; remove it or correct its name",
}


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    path: str = Field(pattern=r"^/api/[a-z0-9-]+/[a-z0-9-]+$")
    summary: str
    function: str = Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$")
    mode: Literal["sync", "async"]
    event_type: str | None = Field(None, alias="eventType")
    queue: Literal["scrape", "embed"] | None = None
    timeout_s: float = Field(30, alias="timeoutSeconds", gt=0)
    instead: str | None = None
    max_body_bytes: int = Field(BODY_BYTES, alias="maxBodyBytes", gt=0)
    cost: int = Field(5, ge=1)
    request: dict[str, Any] = Field(default_factory=dict)
    answer: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageRoute:
    """`instead` is what a caller is told to use when the time is over. An async route has an event type."""

    name: str
    path: str
    summary: str
    function: str
    mode: Literal["sync", "async"]
    event_type: str | None
    queue: Literal["scrape", "embed"] | None
    timeout_s: float
    instead: str | None
    max_body_bytes: int
    cost: int
    request: dict[str, Any] = field(hash=False)
    answer: dict[str, Any] = field(hash=False)


def load(folder: Path, functions: Collection[str] | None = None) -> tuple[StageRoute, ...]:
    """In the file's order; `functions` are those there are. Raises `InvalidInput` with file, line and what to write."""
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
        documents = list(zip(yaml.compose_all(text, yaml.SafeLoader), yaml.safe_load_all(text), strict=True))
    except OSError as exc:
        raise InvalidInput(
            "setting_invalid", f"TRIGGERS_DIR has no {FILE}: {exc.strerror}", field="TRIGGERS_DIR"
        ) from exc
    except (yaml.YAMLError, ValueError) as exc:
        raise InvalidInput("manifest_invalid", f"{FILE} is not YAML") from exc
    shown = f"{folder.name}/{FILE}"
    routes = tuple(_read(document, node, functions, shown) for node, document in documents if document is not None)
    paths = [route.path for route in routes]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise InvalidInput("manifest_invalid", f"{shown}: {twice} is there twice; keep one", field="spec.path")
    return routes


def _read(document: object, node: yaml.Node, functions: Collection[str] | None, shown: str) -> StageRoute:
    found = document if isinstance(document, dict) else {}
    metadata = found.get("metadata")
    name = str(metadata.get("name")) if isinstance(metadata, dict) else "a trigger"

    def refused(field: str, advice: str) -> InvalidInput:
        problem = f"{shown}:{_line(node, field.split('.'))}: {name}: {field}: {advice}"
        return InvalidInput("manifest_invalid", problem, field=field)

    if found.get("kind") != KIND:
        raise refused("kind", f"write {KIND}")
    for unknown in found.keys() - {"apiVersion", "kind", "metadata", "spec"}:
        raise refused(str(unknown), _ADVICE["extra_forbidden"])
    try:
        spec = _Spec.model_validate(found.get("spec") or {})
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        raise refused(".".join(["spec", *map(str, error["loc"])]), _ADVICE.get(error["type"], error["msg"])) from None
    if (spec.mode == "async") != (spec.event_type is not None and spec.queue is not None):
        raise refused("spec.mode", "an async trigger has eventType and queue, a sync one has neither")
    if spec.event_type is not None and spec.event_type not in MODELS:
        raise refused("spec.eventType", f"is no event type of ours; write one of {', '.join(MODELS)}")
    if functions is not None and spec.function not in functions:
        raise refused("spec.function", f"there is no function {spec.function}; write one of {', '.join(functions)}")
    return StageRoute(name=name, **dict(spec))


def _line(node: yaml.Node, path: Sequence[str]) -> int:
    """Of the last of these fields that is there."""
    line = node.start_mark.line + 1
    for name in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, value) for key, value in pairs if key.value == name), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
