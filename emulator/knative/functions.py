"""Functions from Knative Services: which process stands in for an image, and what the emulator needs to run it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.containment.allowance import Allowance
from emulator.fields import documents, invalid
from emulator.knative.notices import Notice
from emulator.knative.references import PORT, Holders, expanded
from emulator.knative.service import Service, read_service
from emulator.kpa.values import KPA_CLASS
from emulator.manifests import QUEUE_ANNOTATION, ROUTES_ANNOTATION, FunctionSpec
from emulator.resource_classes import ResourceClass
from shared.errors import InvalidInput

COMMAND_ANNOTATION = "dev.sluice/command"
FOLDER_ANNOTATION = "dev.sluice/folder"
CLASS_ANNOTATION = "autoscaling.knative.dev/class"
GROUP, VERSION = "serving.knative.dev/", "serving.knative.dev/v1"
# Without a max-scale a Service grows without a bound in a cluster. A laptop must not.
LAPTOP_MAX_SCALE = 20
IDLE_S = 60.0
# What the two platforms call the namespace of those who name none.
HOME_NAMESPACES = {"default": "openfaas-fn"}


@dataclass(frozen=True)
class Found:
    """A Service and the file that it is in."""

    file: Path
    service: Service


def load(folder: Path) -> list[Found]:
    """Every Knative Service of a folder. Raises `InvalidInput` that names file and field."""
    manifests = [(file, each) for file in manifest_files(folder) for each in _mappings(file)]
    holders, found = Holders(), []
    for file, manifest in manifests:
        if manifest.get("apiVersion") == "v1" and manifest.get("kind") in ("ConfigMap", "Secret"):
            with naming(file):
                holders.add(manifest)
    for file, manifest in manifests:
        with naming(file):
            if is_service(manifest):
                found.append(Found(file, read_service(manifest, holders)))
    return found


def manifest_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Errors inside say which file they are about."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidInput("manifest_invalid", f"{file.name}: not UTF-8") from error
    except InvalidInput as error:
        raise InvalidInput(error.code, f"{file.name}: {error.message}", field=error.field) from error


def function(found: Found, known: Sequence[FunctionSpec] = ()) -> FunctionSpec:
    """`known` are functions of a stack.yml: the one of the same name, or else of the same image, says what to run."""
    service = found.service
    same = _same(service, known)
    command, folder = _command(service, same, found.file.parent)
    annotations = {CLASS_ANNOTATION: KPA_CLASS, **service.meta.annotations, **service.template.annotations}
    scaling = service.scaling
    most = scaling.max_scale or max(LAPTOP_MAX_SCALE, scaling.min_scale or 0)
    return FunctionSpec(
        name=service.meta.name,
        command=command,
        folder=folder.resolve(),
        environment=service.container.environment,
        secrets=same.secrets if same else (),
        labels={**service.meta.labels, **service.template.labels},
        annotations=annotations,
        resources=ResourceClass(
            concurrency=service.concurrency,
            min_scale=scaling.min_scale or 0,
            max_scale=most,
            timeout_s=float(service.timeout_s),
        ),
        concurrency=service.concurrency,
        min_scale=scaling.min_scale or 0,
        max_scale=most,
        idle_s=max(float(scaling.window_s or IDLE_S), scaling.retention_s or 0.0),
        ready_path=service.container.ready_path,
        queue=annotations.get(QUEUE_ANNOTATION),
        routes=tuple(route.strip() for route in annotations.get(ROUTES_ANNOTATION, "").split(",") if route.strip()),
        namespace=HOME_NAMESPACES.get(service.meta.namespace, service.meta.namespace),
        image=service.container.image,
        allowance=_allowance(service),
    )


def _allowance(service: Service) -> Allowance:
    limits = service.container.resources.limits
    return Allowance(int(limits.get("memory", 0)), int(limits.get("cpu", 0) * 1000))


def notices(found: Sequence[Found]) -> list[tuple[Path, Notice]]:
    return [(each.file, notice) for each in found for notice in each.service.notices]


def _mappings(file: Path) -> list[dict[str, Any]]:
    with naming(file):
        return [each for each in documents(file.read_text(encoding="utf-8")) if isinstance(each, dict)]


def is_service(manifest: Mapping[str, object]) -> bool:
    version = manifest.get("apiVersion")
    if manifest.get("kind") != "Service" or not isinstance(version, str) or not version.startswith(GROUP):
        return False
    if version != VERSION:
        raise invalid("apiVersion", f"only {VERSION} is known")
    return True


def _same(service: Service, known: Sequence[FunctionSpec]) -> FunctionSpec | None:
    by_name = [each for each in known if each.name == service.meta.name]
    by_image = [each for each in known if each.image == service.container.image]
    if by_name:
        return by_name[0]
    return by_image[0] if len(by_image) == 1 else None


def _command(service: Service, same: FunctionSpec | None, here: Path) -> tuple[tuple[str, ...], Path]:
    """No image is pulled, so the process that is in it must be named otherwise."""
    container = service.container
    given = {**service.meta.annotations, **service.template.annotations}
    folder = here / given.get(FOLDER_ANNOTATION, ".")
    known = {
        **container.environment,
        "K_SERVICE": service.meta.name,
        "K_CONFIGURATION": service.meta.name,
        "PORT": PORT,
    }
    args = tuple(expanded(word, known) for word in container.args)
    if COMMAND_ANNOTATION in given:
        return (*_words(given[COMMAND_ANNOTATION]), *args), folder
    if container.command:
        return (*(expanded(word, known) for word in container.command), *args), folder
    if same is not None:
        return (*same.command, *args), same.folder
    raise invalid(
        f"{container.field}.image",
        f"{container.image[:200]} is not pulled here; say what to run with {container.field}.command, "
        f"with the annotation {COMMAND_ANNOTATION}, or with a function of this name or image in a stack.yml",
    )


def _words(text: str) -> list[str]:
    path = f"spec.template.metadata.annotations.{COMMAND_ANNOTATION}"
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise invalid(path, str(error)) from error
    if not words:
        raise invalid(path, "is empty")
    return words
