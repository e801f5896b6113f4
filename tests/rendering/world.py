"""A description in a folder of its own, to be spoiled, and schemas to hold what is rendered from it against."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from rendering import description
from rendering.description import Description
from tests import shared_data

ROOT = Path(__file__).parents[2]
KUBERNETES = "1.32"
Json = dict[str, Any]


def ours() -> Description:
    return description.read(ROOT, {})


def copied(folder: Path) -> Path:
    """What a description is read from."""
    for name in ("stack.yml", "resource-classes.yml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "triggers", folder / "triggers")
    return folder


def documents(file: Path) -> list[Json]:
    return [each for each in yaml.safe_load_all(file.read_text()) if each]


def problems(manifest: Json) -> Iterator[str]:
    """What a strict API server would refuse. Skips where the schemas of Knative and KEDA are not here."""
    kind = manifest["apiVersion"], manifest["kind"]
    if "." not in kind[0].split("/")[0] or kind[0].split("/")[0].endswith(".k8s.io"):
        yield from _of_kubernetes(manifest)
    else:
        validator = jsonschema.Draft202012Validator(_custom()[kind])
        yield from (f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(manifest))


def _of_kubernetes(manifest: Json) -> Iterator[str]:
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{'.'.join(map(str, error.path))}: {error.message}"


@cache
def _custom() -> dict[tuple[str, str], Json]:
    """(apiVersion, kind) -> schema with no unknown field, of the published CRDs."""
    found: dict[tuple[str, str], Json] = {}
    for file in shared_data.path("data/crds").glob("*.yaml"):
        for crd in documents(file):
            spec = crd["spec"]
            for version in spec["versions"]:
                schema = _strict(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if made.pop("x-kubernetes-int-or-string", None):
        made.pop("type", None)
    open_ended = made.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in made
    if isinstance(made.get("properties"), dict) and made.get("type") == "object" and not open_ended:
        made["additionalProperties"] = False
    return made
