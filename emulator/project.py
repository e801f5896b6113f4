"""A project as its manifests tell it: the functions, brokers and triggers that a cluster would get."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator import eventing
from emulator.eventing import Eventing
from emulator.manifests import FunctionSpec, read_stack

CLASSES_FILE = "resource-classes.yml"


@dataclass(frozen=True)
class Project:
    functions: tuple[FunctionSpec, ...] = ()
    eventing: Eventing = field(default_factory=Eventing)


def read_project(
    stack_file: Path | None, manifests_dir: Path | None, variables: Mapping[str, str] = os.environ
) -> Project:
    """Either may be missing. Raises `InvalidInput` that names file and field."""
    functions = () if stack_file is None else read_stack(stack_file, classes_beside(stack_file), variables)
    return Project(functions, Eventing() if manifests_dir is None else eventing.load(manifests_dir))


def classes_beside(stack_file: Path) -> Path | None:
    file = stack_file.with_name(CLASSES_FILE)
    return file if file.exists() else None
