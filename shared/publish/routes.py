"""Reads from the Trigger manifests which function wants which events."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import InvalidInput
from shared.events.event import CloudEvent


@dataclass(frozen=True, slots=True)
class Route:
    """`attributes` must all be equal; an empty value asks only that the attribute is there, as Knative has it."""

    function: str
    attributes: Mapping[str, str]

    def wants(self, event: CloudEvent) -> bool:
        return all(_matches(wanted, _attribute(event, name)) for name, wanted in self.attributes.items())


def _matches(wanted: str, value: str | None) -> bool:
    return bool(value) if wanted == "" else value == wanted


def _attribute(event: CloudEvent, name: str) -> str | None:
    if name in ("id", "source", "type", "subject", "time", "dataschema"):
        value: str | None = getattr(event, name)
        return value
    return event.extensions.get(name)


def load_routes(folder: Path) -> tuple[Route, ...]:
    """Every Trigger in `*.yaml` of the folder. Direct delivery knows attribute filters only and refuses others."""
    import yaml  # noqa: PLC0415

    documents = (
        (path, document) for path in sorted(folder.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())
    )
    return tuple(
        _route(path, document) for path, document in documents if document and document.get("kind") == "Trigger"
    )


def _route(path: Path, trigger: dict[str, Any]) -> Route:
    spec = trigger["spec"]
    if spec.get("filters"):
        raise InvalidInput("trigger_unsupported", f"{path.name}: direct delivery knows only spec.filter.attributes")
    function = spec.get("subscriber", {}).get("ref", {}).get("name")
    if not function:
        raise InvalidInput("trigger_unsupported", f"{path.name}: direct delivery needs spec.subscriber.ref.name")
    return Route(function, dict(spec.get("filter", {}).get("attributes", {})))
