"""Config maps and secrets that lie among the manifests, and `$(NAME)` in what a container is given."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from emulator.fields import Fields, invalid

_REFERENCE = re.compile(r"\$(?:(\$)|\(([^()$]+)\))")
PORT = "$(PORT)"

Contents = Mapping[str, str]


@dataclass(frozen=True)
class Holders:
    """By kind (ConfigMap, Secret), namespace and name."""

    found: dict[tuple[str, str, str], Contents] = field(default_factory=dict)

    def add(self, manifest: Mapping[str, object]) -> None:
        fields = Fields(manifest, "")
        kind, meta = fields.required("kind"), fields.fields("metadata") or Fields({}, "metadata")
        where = kind, meta.text("namespace") or "default", meta.required("name")
        given = fields.texts("data") or {}
        if kind == "Secret":
            given = {key: _decoded(value, f"data.{key}") for key, value in given.items()}
        self.found[where] = given | (fields.texts("stringData") or {})

    def flags(self) -> frozenset[str]:
        """Those that `config-features` turns on; `allowed` is enough for a Service that asks."""
        return frozenset(
            name
            for namespace in ("knative-serving", "knative-eventing")
            for name, value in self.found.get(("ConfigMap", namespace, "config-features"), {}).items()
            if value.lower() in ("enabled", "allowed")
        )


def expanded(text: str, known: Mapping[str, str]) -> str:
    """As Kubernetes does it: a name that is not known stays as it is written, `$$` is one `$`."""
    return _REFERENCE.sub(lambda found: "$" if found[1] else known.get(found[2], found[0]), text)


def _decoded(value: str, path: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError as error:
        raise invalid(path, "is not base64 of a UTF-8 text") from error
