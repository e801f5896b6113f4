"""Reads from `triggers/http.yaml` which stages callers reach, and how."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInput

FILE = "http.yaml"
BODY_BYTES = 256 * 1024


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


def load(folder: Path) -> tuple[StageRoute, ...]:
    """In the file's order. Raises `InvalidInput` that names the trigger and the field."""
    try:
        documents = list(yaml.safe_load_all((folder / FILE).read_text(encoding="utf-8")))
    except OSError as exc:
        raise InvalidInput(
            "setting_invalid", f"TRIGGERS_DIR has no {FILE}: {exc.strerror}", field="TRIGGERS_DIR"
        ) from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise InvalidInput("manifest_invalid", f"{FILE} is not YAML") from exc
    routes = tuple(_read(document) for document in documents if _is_ours(document))
    paths = [route.path for route in routes]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise InvalidInput("manifest_invalid", f"{FILE}: {twice} is there twice", field="spec.path")
    return routes


def _is_ours(document: object) -> bool:
    return isinstance(document, dict) and document.get("kind") == "HTTPTrigger"


def _read(document: dict[str, Any]) -> StageRoute:
    name = str((document.get("metadata") or {}).get("name"))
    try:
        spec = _Spec.model_validate(document.get("spec") or {})
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(["spec", *map(str, error["loc"])])
        raise InvalidInput("manifest_invalid", f"{FILE}: {name}: {where}: {error['msg']}", field=where) from None
    if (spec.mode == "async") != (spec.event_type is not None and spec.queue is not None):
        raise InvalidInput(
            "manifest_invalid", f"{FILE}: {name}: an async trigger has eventType and queue", field="spec.mode"
        )
    return StageRoute(name=name, **dict(spec))
