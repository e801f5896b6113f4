"""Everything rendered as files below deploy/, so that a review sees what a change deploys."""

from collections.abc import Mapping
from pathlib import Path

from rendering import compose, environment_files, knative, openfaas, text
from rendering.description import Description
from rendering.located import Json

# Folders of deploy/ that hold nothing but what is rendered, and what an operator keeps beside it.
OWNED = ("knative", "keda", "openfaas", "compose")
PRIVATE = ("compose/.env", "compose/secrets/")
KUSTOMIZATION = "kustomization.yaml"
_KUSTOMIZE = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


def files(description: Description, as_written: Description, provider: Mapping[str, str]) -> dict[str, str]:
    """Path below deploy/ -> text. OpenFaaS and Compose replace variables themselves: they get `as_written`."""
    found: dict[str, str] = {}
    found |= _folder("knative/base", knative.base(description), "knative")
    found |= _folder("keda", knative.scaling(description), "keda")
    for kind in knative.TICKS:
        found |= _folder(f"knative/tick/{kind}", knative.tick(description, kind), "knative")
    for tier in description.tiers.values():
        shared = ["../../base", "../../../keda", "../../tick/keda"]
        found |= _folder(f"knative/overlays/{tier.name}", knative.overlay(description, tier), "knative", shared)
    for edition in openfaas.EDITIONS:
        document = openfaas.stack(as_written, edition, provider)
        found[f"openfaas/{edition}.yml"] = text.noted("openfaas", text.one(document))
    found["openfaas/profiles.yaml"] = text.noted("openfaas", text.many(openfaas.profiles(description)))
    for name, document in compose.files(as_written).items():
        found[f"compose/{name}"] = text.noted("compose", text.one(document))
    found |= {f"compose/{name}": content for name, content in environment_files.files(as_written).items()}
    return found


def _folder(folder: str, files: knative.Files, what: str, resources: list[str] | None = None) -> dict[str, str]:
    kustomization: Json = {**_KUSTOMIZE, "resources": [*(resources or []), *files]}
    return {
        f"{folder}/{KUSTOMIZATION}": text.noted(what, text.one(kustomization)),
        **{f"{folder}/{name}": text.noted(what, text.many(objects)) for name, objects in files.items()},
    }


def left_over(folder: Path, rendered: Mapping[str, str]) -> set[str]:
    """Files in folders that are rendered whole, and rendered no more."""
    kept = {str(path.relative_to(folder)) for owned in OWNED for path in (folder / owned).rglob("*") if path.is_file()}
    return {name for name in kept - rendered.keys() if not name.startswith(PRIVATE)}
