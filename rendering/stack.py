"""The functions of stack.yml, each joined to its resource class."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rendering import located
from rendering.classes import ResourceClass
from rendering.located import Json, Table

CLASS_LABEL = "dev.sluice.class"
QUEUE_ANNOTATION = "dev.sluice/queue"
ROUTES_ANNOTATION = "dev.sluice/routes"
VM_ANNOTATION = "dev.sluice/vm"
VMS = ("gateway", "orchestrator", "scraper", "chunking", "embedding")
LONGEST_NAME = 63
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
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
    document.text("version")
    document.table("provider")
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
    return tuple(found)


def _function(name: str, table: Table, classes: Mapping[str, ResourceClass]) -> Function:
    check_name(name, table)
    labels, annotations = table.texts("labels"), table.texts("annotations")
    resources = _class_of(table, labels, classes)
    command = _command(table)
    _check_amounts(table, resources)
    if annotations.get(VM_ANNOTATION) not in VMS:
        raise table.refuse("annotations", f"write {VM_ANNOTATION}: one of {', '.join(VMS)}")
    if table.text("lang") != "dockerfile":
        raise table.refuse("lang", "write lang: dockerfile")
    function = Function(
        name=name,
        image=table.required("image", "${SLUICE_IMAGE:-sluice/sluice}-NAME:${SLUICE_TAG:-latest}"),
        image_of=_image_of(command),
        command=command,
        environment=table.texts("environment"),
        secrets=table.words("secrets"),
        labels=labels,
        annotations=annotations,
        resources=resources,
        entry=table.plain(),
    )
    _check_build(table, function)
    for each in ("constraints", "environment_file"):
        table.words(each)
    for each in ("handler", "namespace", "platforms", "readonly_root_filesystem"):
        table.text(each)
    table.finish()
    return function


def check_name(name: str, table: Table) -> None:
    if len(name) > LONGEST_NAME:
        raise table.refuse("", f"the name has {len(name)} characters; write one of at most {LONGEST_NAME}")
    if not _NAME.fullmatch(name):
        raise table.refuse("", "write a name of lower-case letters, digits and hyphens that begins with a letter")


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


def _check_amounts(table: Table, resources: ResourceClass) -> None:
    """OpenFaaS reads the amounts here and everyone else from the class, so they must agree."""
    for field, wanted in (("limits", resources.limits), ("requests", resources.requests)):
        given = table.texts(field)
        if given != wanted:
            words = ", ".join(f"{name}: {amount}" for name, amount in wanted.items())
            wrong = f"the class {resources.name} says otherwise" if given else "is missing"
            raise table.refuse(field, f"{wrong}; write {field}: {{{words}}}")


def _check_build(table: Table, function: Function) -> None:
    skipped, arguments = table.text("skip_build") == "true", table.texts("build_args")
    if skipped and arguments:
        raise table.refuse("build_args", "is not used with skip_build; remove one of them")
    if not skipped and arguments.get("FUNCTION") != function.image_of:
        raise table.refuse("build_args", f"write {{FUNCTION: {function.image_of}, ...}}")
