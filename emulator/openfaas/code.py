"""Where the code of a deployment is: built-in images, the stack file's entries, or what `faas-cli build` left."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from emulator.knative.references import PORT
from emulator.manifests import FunctionSpec
from emulator.openfaas.deployment import Deployment
from emulator.openfaas.images import ALPINE, REDIRECTOR, WATCHDOG, is_built_in, repository
from shared.errors import InvalidInput

ON_PORT = Path(__file__).with_name("on_port.py")
_ENV = re.compile(r"^\s*ENV\s+(.+?)\s*$", re.MULTILINE)
_PYTHON = re.compile(r"python(3(\.\d+)?)?")
_FORKING = ("", "streaming", "serializing")


@dataclass(frozen=True)
class Code:
    """A command that serves HTTP on `$PORT`. `environment` goes under that of the deployment."""

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def built_in(image: str, process: str, folder: Path) -> Code | None:
    """`process` is what the watchdog runs for each request."""
    if repository(image) == REDIRECTOR:
        return Code((sys.executable, "-P", str(WATCHDOG), "redirector"), folder)
    if repository(image) == ALPINE:
        return forking(process, folder)
    return None


def forking(process: str, folder: Path) -> Code:
    return Code((sys.executable, "-P", str(WATCHDOG)), folder, {"fprocess": process} if process else {})


def built(folder: Path, process: str) -> Code | None:
    """What `faas-cli build` left in `folder`, if anything. `process` goes before what its Dockerfile says."""
    if not folder.is_dir():
        return None
    settings = _dockerfile(folder / "Dockerfile")
    process = process or settings.get("fprocess", "")
    if not process:
        raise InvalidInput(
            "fprocess_missing",
            f"build/{folder.name} is there, but neither envProcess nor its Dockerfile says what to run",
        )
    if settings and settings.get("mode", "") in _FORKING:
        return replace(forking(process, folder), environment={**settings, "fprocess": process})
    return Code(_on_our_port(_words(process), settings.get("upstream_url", "")), folder, settings)


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
        found = found or self._from_stack(deployment) or built(build_folder(self._folder, deployment.service), process)
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
        if entry.is_built:
            return built(build_folder(self._folder, entry.name), deployment.env_process or shlex.join(entry.command))
        command = _words(deployment.env_process) if deployment.env_process else entry.command
        return Code(command, entry.folder)


def build_folder(project: Path, service: str) -> Path:
    return project / "build" / service


def startable(spec: FunctionSpec, project: Path) -> FunctionSpec | None:
    """An entry of the stack file with the command that stands in for its image. None: it has to be built first."""
    process = shlex.join(spec.command)
    if is_built_in(spec.image):
        found = built_in(spec.image, process, spec.folder)
    elif spec.is_built:
        found = built(build_folder(project, spec.name), process)
    else:
        return spec
    if found is None:
        return None
    environment = {**found.environment, **spec.environment}
    return replace(spec, command=found.command, folder=found.folder, environment=environment)


def _on_our_port(words: tuple[str, ...], upstream_url: str) -> tuple[str, ...]:
    """Templates name the port in their code, and Node's take another one from `http_port`."""
    try:
        named = urlsplit(upstream_url).port
    except ValueError:
        named = None
    if named is None:
        return words
    program, *rest = words
    if not _PYTHON.fullmatch(Path(program).name):
        return ("env", f"http_port={PORT}", *words)
    flags = next((at for at, word in enumerate(rest) if word == "-m" or not word.startswith("-")), len(rest))
    return (program, *rest[:flags], str(ON_PORT), str(named), *rest[flags:]) if rest[flags:] else words


def _dockerfile(file: Path) -> dict[str, str]:
    """Its `ENV` lines, without those that lead to places inside an image."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")[:200_000]
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in _ENV.findall(text):
        found |= _assignments(line)
    return {name: value for name, value in found.items() if name not in ("PATH", "HOME") and "$" not in value}


def _assignments(line: str) -> dict[str, str]:
    """`A=b C="d e"`, or the old form `A b c`."""
    name, space, rest = line.partition(" ")
    if "=" not in name:
        return {name: rest.strip()} if space else {}
    try:
        return dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)
    except ValueError:
        return {}


def _words(process: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(process))
    except ValueError as error:
        raise InvalidInput("fprocess_invalid", f"envProcess: {error}", field="envProcess") from error


def _unknown(deployment: Deployment, specs: Sequence[FunctionSpec]) -> InvalidInput:
    unbuilt = sorted(spec.name for spec in specs if spec.is_built)
    if deployment.service in unbuilt:
        problem = f"{deployment.service} is not built yet: faas-cli build --shrinkwrap --filter {deployment.service}"
        return InvalidInput("image_unknown", problem, field="image")
    named = ", ".join(sorted(spec.name for spec in specs if not spec.is_built)[:20]) or "none"
    return InvalidInput(
        "image_unknown",
        f"no code is known for image {deployment.image[:200]}: nothing is pulled here. These work: a service or an "
        f"image that the stack file names (services: {named}), code in build{os.sep}{deployment.service} as "
        f"faas-cli build --shrinkwrap leaves it, or the images {ALPINE} and {REDIRECTOR}",
        field="image",
    )
