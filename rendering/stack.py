"""The functions of stack.yml, each joined to its resource class."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rendering import located
from rendering.classes import ResourceClass
from rendering.located import Json, Table
from rendering.shapes import check_name, schedule, yes_or_no

CLASS_LABEL = "dev.sluice.class"
QUEUE_ANNOTATION = "dev.sluice/queue"
ROUTES_ANNOTATION = "dev.sluice/routes"
VM_ANNOTATION = "dev.sluice/vm"
SCHEDULE_ANNOTATION = "schedule"
INFERENCE, EMBED_WORKER = "inference", "embed-worker"
NEEDED = ("gateway", "membership", "search", "scrape-worker", EMBED_WORKER, INFERENCE)
VMS = ("gateway", "orchestrator", "scraper", "chunking", "embedding")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_PATH = r"[a-z0-9][a-z0-9._/-]*"
_IMAGE = re.compile(rf"{_PATH}(:\d+/{_PATH})?(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?")
_MODULE = re.compile(r"python -m (functions\.([a-z_]+)\.[a-z_]+|gateway\.main)")


@dataclass(frozen=True)
class Function:
    """`image_of` is the function whose extra and code its image holds; `entry` is as written, variables replaced."""

    name: str
    image: str
    image_of: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    resources: ResourceClass
    entry: Json

    @property
    def skips_build(self) -> bool:
        return bool(self.entry.get("skip_build"))

    @property
    def queue(self) -> str | None:
        """The RQ queue that it works on, where it is a worker."""
        return self.annotations.get(QUEUE_ANNOTATION)

    @property
    def public(self) -> bool:
        return ROUTES_ANNOTATION in self.annotations

    @property
    def vm(self) -> str:
        return self.annotations[VM_ANNOTATION]

    @property
    def module(self) -> str:
        return self.command[-1]


def read(file: Path, classes: Mapping[str, ResourceClass], variables: Mapping[str, str] | None) -> tuple[Function, ...]:
    """Raises `InvalidInput` with file and line."""
    document = located.document(file, variables)
    if (version := document.text("version", "1.0")) != "1.0":
        raise document.refuse("version", f"is {version}; write version: 1.0")
    _check_provider(document)
    document.table("configuration")
    functions = document.table("functions")
    if functions is None:
        raise document.refuse("functions", "is missing; write functions: {chunk: {...}}")
    found = []
    for name in functions.names():
        table = functions.table(name)
        if table is None:
            raise functions.refuse(name, "is empty; write what it runs")
        found.append(_function(name, table, classes))
    document.finish()
    _check_there(found, functions)
    _check_built(found, functions)
    return tuple(found)


def _check_provider(document: Table) -> None:
    provider = document.table("provider")
    if provider is None:
        raise document.refuse("provider", "is missing; write provider: {name: openfaas}")
    if provider.text("name") != "openfaas":
        raise provider.refuse("name", "write name: openfaas")
    provider.text("gateway")
    provider.finish()


def _check_there(found: list[Function], functions: Table) -> None:
    for name in NEEDED:
        if name not in functions.names():
            raise functions.refuse("", f"has no {name}, which others find by that name; write it")
    if not any(each.public for each in found):
        raise functions.refuse("", f"nobody is reachable from outside; write {ROUTES_ANNOTATION} at the gateway")


def _check_built(found: list[Function], functions: Table) -> None:
    """Whoever skips the build runs an image that another function builds."""
    built = {each.image for each in found if not each.skips_build}
    for function in found:
        if function.image not in built:
            table = functions.table(function.name) or functions
            raise table.refuse("image", f"nobody builds it; write one of {', '.join(sorted(built))}")


def _function(name: str, table: Table, classes: Mapping[str, ResourceClass]) -> Function:
    check_name(name, table, "")
    labels, annotations = table.texts("labels"), table.texts("annotations")
    resources = _class_of(table, labels, classes)
    command = _command(table)
    _check_amounts(table, resources)
    if table.text("lang") != "dockerfile":
        raise table.refuse("lang", "write lang: dockerfile")
    function = Function(
        name=name,
        image=_image(table),
        image_of=_image_of(command),
        command=command,
        environment=_environment(table),
        secrets=_secrets(table),
        labels=labels,
        annotations=annotations,
        resources=resources,
        entry=table.plain(),
    )
    _check_build(table, function)
    _check_annotations(table, function)
    yes_or_no(table, "readonly_root_filesystem")
    for each in ("constraints", "environment_file"):
        table.words(each)
    for each in ("handler", "namespace", "platforms"):
        table.text(each)
    table.finish()
    return function


def _class_of(table: Table, labels: Mapping[str, str], classes: Mapping[str, ResourceClass]) -> ResourceClass:
    known = f"write {CLASS_LABEL}: one of {', '.join(classes)}"
    label = labels.get(CLASS_LABEL)
    if label is None:
        raise table.refuse("labels", f"has no class; {known}")
    if label not in classes:
        raise table.refuse("labels", f"there is no class {label}; {known}")
    return classes[label]


def _command(table: Table) -> tuple[str, ...]:
    text = table.required("fprocess", "python -m functions.NAME.main")
    if not _MODULE.fullmatch(text):
        raise table.refuse("fprocess", "write python -m functions.NAME.main, .worker, or python -m gateway.main")
    return tuple(shlex.split(text))


def _image_of(command: tuple[str, ...]) -> str:
    parts = command[-1].split(".")
    return parts[1] if parts[0] == "functions" else parts[0]


def _image(table: Table) -> str:
    """Where variables are left as they are, what they stand for is not known."""
    example = "${SLUICE_IMAGE:-sluice/sluice}-NAME:${SLUICE_TAG:-latest}"
    image = table.required("image", example)
    if "$" not in image and not _IMAGE.fullmatch(image):
        raise table.refuse("image", f"{image} is no name of an image: they are of lower-case letters; write {example}")
    return image


def _environment(table: Table) -> dict[str, str]:
    found = table.texts("environment")
    for name in found:
        if not _VARIABLE.fullmatch(name):
            raise table.refuse("environment", f"{name!r} is no name of a variable; write one such as LEASE_SECONDS")
    return found


def _secrets(table: Table) -> tuple[str, ...]:
    found = table.words("secrets")
    for at, name in enumerate(found):
        if not _SECRET.fullmatch(name):
            raise table.refuse("secrets", f"{name!r} is no name of a secret; write one such as database-url")
        if name in found[:at]:
            raise table.refuse("secrets", f"{name} stands twice; keep one")
    return found


def _check_annotations(table: Table, function: Function) -> None:
    """A worker's queue is named after its image: that is what wakes it, and what KEDA watches."""
    annotations = table.table("annotations")
    if function.annotations.get(VM_ANNOTATION) not in VMS or annotations is None:
        raise table.refuse("annotations", f"write {VM_ANNOTATION}: one of {', '.join(VMS)}")
    works = function.module.endswith(".worker")
    if works and function.queue != function.image_of:
        raise annotations.refuse(QUEUE_ANNOTATION, f"is not its queue; write {QUEUE_ANNOTATION}: {function.image_of}")
    if not works and function.queue is not None:
        raise annotations.refuse(QUEUE_ANNOTATION, "is for workers; remove it, or run functions.NAME.worker")
    if SCHEDULE_ANNOTATION in function.annotations:
        schedule(annotations, SCHEDULE_ANNOTATION)


def _check_amounts(table: Table, resources: ResourceClass) -> None:
    """OpenFaaS reads the amounts here and everyone else from the class, so they must agree."""
    for field, wanted in (("limits", resources.limits), ("requests", resources.requests)):
        given = table.texts(field)
        if given != wanted:
            words = ", ".join(f"{name}: {amount}" for name, amount in wanted.items())
            wrong = f"the class {resources.name} says otherwise" if given else "is missing"
            raise table.refuse(field, f"{wrong}; write {field}: {{{words}}}")


def _check_build(table: Table, function: Function) -> None:
    skipped, arguments = yes_or_no(table, "skip_build"), table.texts("build_args")
    if skipped and arguments:
        raise table.refuse("build_args", "is not used with skip_build; remove one of them")
    if not skipped and arguments.get("FUNCTION") != function.image_of:
        raise table.refuse("build_args", f"write {{FUNCTION: {function.image_of}, ...}}")
