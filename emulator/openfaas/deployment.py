"""One deployment, as faas-cli sends it and as the gateway tells of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.manifests import DEFAULT_NAMESPACE
from shared.errors import InvalidInput

_SERVICE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RESOURCES = ("memory", "cpu", "nvidia.com/gpu", "amd.com/gpu", "intel.com/gpu")

Json = dict[str, Any]


@dataclass(frozen=True)
class Deployment:
    """`created_at` is RFC 3339 to the second."""

    service: str
    image: str
    created_at: str
    namespace: str = DEFAULT_NAMESPACE
    env_process: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False

    @property
    def key(self) -> str:
        return self.service if self.namespace == DEFAULT_NAMESPACE else f"{self.service}.{self.namespace}"

    def to_json(self) -> Json:
        """With the CLI's keys; what is not set is left out, but for labels and annotations."""
        optional: Json = {
            "envProcess": self.env_process,
            "envVars": dict(self.environment),
            "constraints": list(self.constraints),
            "secrets": list(self.secrets),
            "limits": dict(self.limits),
            "requests": dict(self.requests),
            "readOnlyRootFilesystem": self.read_only,
        }
        required = {"image": self.image, "namespace": self.namespace}
        metadata = {"labels": dict(self.labels), "annotations": dict(self.annotations)}
        given = {key: value for key, value in optional.items() if value}
        return {"service": self.service, **required, **given, **metadata, "createdAt": self.created_at}


def parse(body: Mapping[str, Any], created_at: str) -> Deployment:
    """Raises `InvalidInput` naming the field. Unknown keys are ignored, as the real ones do."""
    service = _text(body, "service")
    if not _SERVICE.fullmatch(service):
        raise InvalidInput(
            "service_invalid",
            f"validation failed: service: ({service[:100]}) is invalid, must be a valid DNS entry",
            field="service",
        )
    image = _text(body, "image")
    if not image:
        raise InvalidInput("image_missing", "validation failed: image: is required", field="image")
    read_only = body.get("readOnlyRootFilesystem") or False
    if not isinstance(read_only, bool):
        raise _wrong("readOnlyRootFilesystem", "true or false")
    return Deployment(
        service=service,
        image=image,
        created_at=_text(body, "createdAt") or created_at,
        namespace=_text(body, "namespace") or DEFAULT_NAMESPACE,
        env_process=_text(body, "envProcess"),
        environment=_environment(body),
        constraints=_list(body, "constraints"),
        secrets=_list(body, "secrets"),
        labels=_strings(body, "labels"),
        annotations=_strings(body, "annotations"),
        limits=_resources(body, "limits"),
        requests=_resources(body, "requests"),
        read_only=read_only,
    )


def from_stack(name: str, entry: Mapping[str, Any], environment: Mapping[str, str], created_at: str) -> Deployment:
    """What faas-cli would send for an entry of stack.yml, whose environment files are read already."""
    image = str(entry.get("image") or name)
    body = {
        "service": name,
        "image": image if ":" in image.rsplit("/", 1)[-1] else f"{image}:latest",
        "namespace": entry.get("namespace"),
        "envProcess": entry.get("fprocess"),
        "envVars": dict(environment),
        "constraints": entry.get("constraints"),
        "secrets": entry.get("secrets"),
        "labels": entry.get("labels"),
        "annotations": entry.get("annotations"),
        "limits": entry.get("limits"),
        "requests": entry.get("requests"),
        "readOnlyRootFilesystem": entry.get("readonly_root_filesystem"),
    }
    return parse({key: _plain(value) for key, value in body.items()}, created_at)


def _plain(value: object) -> object:
    """YAML's scalars as the CLI turns them into text."""
    if isinstance(value, Mapping):
        return {str(key): _scalar(item) for key, item in value.items()}
    return [_scalar(item) for item in value] if isinstance(value, list) else value


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if value is None:
        return ""
    if not _is_text(value):
        raise _wrong(key, "text")
    return str(value)


def _strings(body: Mapping[str, Any], key: str) -> dict[str, str]:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(map(_is_text, (*value, *value.values()))):
        raise _wrong(key, "an object of texts")
    return {str(name): item for name, item in value.items()}


def _list(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = body.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(map(_is_text, value)):
        raise _wrong(key, "a list of texts")
    return tuple(value)


def _resources(body: Mapping[str, Any], key: str) -> dict[str, str]:
    value = body.get(key)
    found = _strings(body, key) if value is not None else {}
    return {name: found[name] for name in _RESOURCES if found.get(name)}


def _is_text(value: object) -> bool:
    """A process can be given no zero byte, in its command as little as in its environment."""
    return isinstance(value, str) and "\0" not in value


def _environment(body: Mapping[str, Any]) -> dict[str, str]:
    found = _strings(body, "envVars")
    if any(not name or "=" in name for name in found):
        raise _wrong("envVars", "an object of texts by names without '='")
    return found


def _wrong(key: str, wanted: str) -> InvalidInput:
    return InvalidInput("deployment_invalid", f"{key} must be {wanted}", field=key)
