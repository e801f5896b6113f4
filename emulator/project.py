"""A project as its manifests tell it: the functions, brokers and triggers that a cluster would get."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emulator import eventing
from emulator.eventing import Eventing
from emulator.knative import functions as knative
from emulator.knative.functions import Found
from emulator.knative.notices import Notice
from emulator.manifests import FunctionSpec, read_stack
from shared.errors import InvalidInput

CLASSES_FILE = "resource-classes.yml"


@dataclass(frozen=True)
class Project:
    """`notices` are about what its Knative Services ask for and do not get here."""

    functions: tuple[FunctionSpec, ...] = ()
    eventing: Eventing = field(default_factory=Eventing)
    notices: tuple[tuple[Path, Notice], ...] = ()


def read_project(
    stack_file: Path | None, manifests_dir: Path | None, variables: Mapping[str, str] = os.environ
) -> Project:
    """Either may be missing. Raises `InvalidInput` that names file and field."""
    stack = () if stack_file is None else read_stack(stack_file, classes_beside(stack_file), variables)
    if manifests_dir is None:
        return Project(stack)
    services = knative.load(manifests_dir)
    return Project(_functions(stack, services), eventing.load(manifests_dir), tuple(knative.notices(services)))


def classes_beside(stack_file: Path) -> Path | None:
    file = stack_file.with_name(CLASSES_FILE)
    return file if file.exists() else None


def _functions(stack: Sequence[FunctionSpec], services: Sequence[Found]) -> tuple[FunctionSpec, ...]:
    """A Service hides the stack's function of its name, which then only says what to run."""
    made: dict[tuple[str, str], FunctionSpec] = {}
    for found in services:
        with knative.naming(found.file):
            spec = knative.function(found, stack)
            if (spec.namespace, spec.name) in made:
                problem = f"metadata.name: Service {found.service.meta.namespace}/{spec.name} is there twice"
                raise InvalidInput("manifest_invalid", problem, field="metadata.name")
            made[spec.namespace, spec.name] = spec
    hidden = {name for _, name in made}
    return (*(spec for spec in stack if spec.name not in hidden), *made.values())
