"""Where the code of a deployment is: built-in images, the stack file's entries, or what `faas-cli build` left."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from emulator.manifests import FunctionSpec
from emulator.openfaas.deployment import Deployment
from shared.errors import InvalidInput

WATCHDOG = Path(__file__).with_name("watchdog.py")
ALPINE, REDIRECTOR = "functions/alpine", "theaxer/redirector"
_ENV = re.compile(r"^\s*ENV\s+(\w+)(?:=|\s+)(.*?)\s*$", re.MULTILINE)
_FORKING = ("", "streaming", "serializing")


@dataclass(frozen=True)
class Code:
    """A command that serves HTTP on `$PORT`. `environment` goes under that of the deployment."""

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def repository(image: str) -> str:
    """An image's name without registry of the default, tag and digest."""
    name = image.split("@", 1)[0]
    head, slash, last = name.rpartition("/")
    return (head + slash + last.split(":", 1)[0]).removeprefix("docker.io/").removeprefix("library/")


def built_in(image: str, process: str, folder: Path) -> Code | None:
    """`process` is what the watchdog runs for each request."""
    if repository(image) == REDIRECTOR:
        return Code((sys.executable, "-P", str(WATCHDOG), "redirector"), folder)
    if repository(image) == ALPINE:
        return forking(process, folder)
    return None


def forking(process: str, folder: Path) -> Code:
    return Code((sys.executable, "-P", str(WATCHDOG)), folder, {"fprocess": process} if process else {})


class CodeFinder:
    """`stack` is asked each time, so that what was added to the stack file meanwhile is found."""

    def __init__(self, folder: Path, stack: Callable[[], Sequence[FunctionSpec]]) -> None:
        self._folder = folder
        self._stack = stack

    def find(self, deployment: Deployment) -> Code:
        """Raises `InvalidInput`, which says what would work."""
        process = deployment.env_process or deployment.environment.get("fprocess", "")
        found = built_in(deployment.image, process, self._folder)
        if found is not None and not process and repository(deployment.image) == ALPINE:
            raise InvalidInput("fprocess_missing", f"{deployment.image} runs what envProcess says, and that is missing")
        found = found or self._from_stack(deployment) or self._from_build(deployment)
        if found is None:
            raise _unknown(deployment, self._stack())
        return found

    def _from_stack(self, deployment: Deployment) -> Code | None:
        specs = self._stack()
        wanted = repository(deployment.image)
        entry = next((spec for spec in specs if spec.name == deployment.service), None)
        entry = entry or next((spec for spec in specs if spec.image and repository(spec.image) == wanted), None)
        if entry is None:
            return None
        command = _words(deployment.env_process) if deployment.env_process else entry.command
        return Code(command, entry.folder)

    def _from_build(self, deployment: Deployment) -> Code | None:
        folder = self._folder / "build" / deployment.service
        if not folder.is_dir():
            return None
        settings = _dockerfile(folder / "Dockerfile")
        process = deployment.env_process or deployment.environment.get("fprocess") or settings.get("fprocess", "")
        if not process:
            raise InvalidInput(
                "fprocess_missing",
                f"build/{deployment.service} is there, but neither envProcess nor its Dockerfile says what to run",
            )
        if settings and settings.get("mode", "") in _FORKING:
            return replace(forking(process, folder), environment={**settings, "fprocess": process})
        return Code(_words(process), folder, settings)


def with_built_in(spec: FunctionSpec) -> FunctionSpec:
    """An entry of the stack file, which for a built-in image says in `fprocess` what its watchdog runs."""
    found = built_in(spec.image, shlex.join(spec.command), spec.folder) if spec.image else None
    if found is None:
        return spec
    return replace(spec, command=found.command, environment={**found.environment, **spec.environment})


def _dockerfile(file: Path) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")[:200_000]
    except OSError:
        return {}
    return {name: value.strip("\"'") for name, value in _ENV.findall(text) if name not in ("PATH", "HOME")}


def _words(process: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(process))
    except ValueError as error:
        raise InvalidInput("fprocess_invalid", f"envProcess: {error}", field="envProcess") from error


def _unknown(deployment: Deployment, specs: Sequence[FunctionSpec]) -> InvalidInput:
    named = ", ".join(sorted(spec.name for spec in specs)[:20]) or "none"
    return InvalidInput(
        "image_unknown",
        f"no code is known for image {deployment.image[:200]}: nothing is pulled here. These work: a service or an "
        f"image that the stack file names (services: {named}), code in build{os.sep}{deployment.service} as "
        f"faas-cli build --shrinkwrap leaves it, or the images {ALPINE} and {REDIRECTOR}",
        field="image",
    )
