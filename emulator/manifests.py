"""Reads stack.yml as faas-cli does, with the resource classes it names, into one frozen record a function."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from emulator import yaml_bounds
from emulator.containment.allowance import UNLIMITED, Allowance, with_limits
from emulator.durations import seconds
from emulator.openfaas.images import is_built_in
from emulator.resource_classes import ResourceClass, read_classes
from shared.errors import InvalidInput

MAX_MANIFEST_BYTES = 1024 * 1024
DEFAULT_NAMESPACE = "openfaas-fn"
DOCKERFILE = "dockerfile"
CLASS_LABEL = "dev.sluice.class"
CONCURRENCY_LABEL = "dev.sluice.concurrency"
QUEUE_ANNOTATION = "dev.sluice/queue"
ROUTES_ANNOTATION = "dev.sluice/routes"
READY_PATH_ANNOTATION = "com.openfaas.ready.http.path"
_MOST_DIGITS = 9
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}")


@dataclass(frozen=True)
class FunctionSpec:
    """What a deployment says about one function. `queue` names the RQ queue that scales it, instead of requests.

    `template` is what stack.yml calls `lang`. Without a `command` the function cannot start yet.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    resources: ResourceClass
    concurrency: int
    min_scale: int
    max_scale: int
    idle_s: float | None
    ready_path: str | None
    queue: str | None
    routes: tuple[str, ...]
    namespace: str = DEFAULT_NAMESPACE
    image: str = ""
    template: str = ""
    allowance: Allowance = UNLIMITED

    @property
    def is_built(self) -> bool:
        """A template makes its code: what to run is known once `faas-cli build` was there."""
        return bool(self.template) and (self.template != DOCKERFILE or not self.command)

    @property
    def key(self) -> str:
        """What tells it from every other function: its name, outside the usual namespace with the namespace."""
        return self.name if self.namespace == DEFAULT_NAMESPACE else f"{self.name}.{self.namespace}"


def read_stack(stack_file: Path, classes_file: Path | None, variables: Mapping[str, str]) -> tuple[FunctionSpec, ...]:
    """Errors name the file and the field. `${NAME:-default}` is replaced before parsing, as faas-cli does."""
    document = load_yaml(stack_file, variables)
    classes = read_classes(load_yaml(classes_file, {})) if classes_file is not None else {}
    functions = _mapping(document.get("functions"), "functions")
    return tuple(function_spec(name, body, stack_file.parent, classes) for name, body in functions.items())


def load_yaml(file: Path, variables: Mapping[str, str]) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput("manifest_unreadable", f"{file.name} cannot be read: {exc}", field=str(file)) from exc
    if len(text) > MAX_MANIFEST_BYTES:
        raise InvalidInput("manifest_too_large", f"{file.name} is over {MAX_MANIFEST_BYTES} bytes", field=str(file))
    expanded = _VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", text)
    try:
        yaml_bounds.check(expanded, file.name)
        value = yaml.load(expanded, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml_bounds.NOT_YAML as exc:
        raise InvalidInput("manifest_invalid", f"{file.name} is not valid YAML: {exc}", field=str(file)) from exc
    return _mapping(value, file.name)


def function_spec(name: str, body: object, folder: Path, classes: Mapping[str, ResourceClass]) -> FunctionSpec:
    """One entry of `functions`. Relative paths in it start at `folder`."""
    at = f"functions.{name}"
    if not _NAME.match(name):
        raise InvalidInput("name_invalid", f"{at}: a function's name must be a DNS label", field=at)
    fields = _mapping(body, at)
    labels = _strings(fields.get("labels"), f"{at}.labels")
    annotations = _strings(fields.get("annotations"), f"{at}.annotations")
    resources = _class_of(labels, classes, at)
    environment = _strings(fields.get("environment"), f"{at}.environment")
    for file in _list(fields.get("environment_file"), f"{at}.environment_file"):
        environment |= _strings(load_yaml(folder / file, {}).get("environment"), file)
    if wrong := [variable for variable in environment if not variable or "=" in variable or "\0" in variable]:
        problem = f"{at}.environment: {wrong[0]!r} cannot be the name of a variable"
        raise InvalidInput("environment_invalid", problem, field=f"{at}.environment")
    duration = labels.get("com.openfaas.scale.zero-duration")
    template = str(fields.get("lang") or "").partition("@")[0].lower()
    image = str(fields.get("image") or "")
    command = _command(fields.get("fprocess"), at, required=not template and not is_built_in(image))
    return FunctionSpec(
        name=name,
        command=command,
        folder=_working_folder(command, folder.resolve(), _scalar(fields.get("handler"), f"{at}.handler") or "."),
        environment=environment,
        secrets=_list(fields.get("secrets"), f"{at}.secrets"),
        labels=labels,
        annotations=annotations,
        resources=resources,
        concurrency=_number(labels.get(CONCURRENCY_LABEL), resources.concurrency, f"{at}.labels.{CONCURRENCY_LABEL}"),
        min_scale=_min_scale(labels, resources, at),
        max_scale=_number(labels.get("com.openfaas.scale.max"), resources.max_scale, f"{at}.labels.scale.max", 1),
        idle_s=seconds(duration, f"{at}.labels.scale.zero-duration") if duration else None,
        ready_path=annotations.get(READY_PATH_ANNOTATION),
        queue=annotations.get(QUEUE_ANNOTATION),
        routes=tuple(route.strip() for route in annotations.get(ROUTES_ANNOTATION, "").split(",") if route.strip()),
        namespace=str(fields.get("namespace") or DEFAULT_NAMESPACE),
        image=image,
        template=template,
        allowance=with_limits(resources.allowance, _strings(fields.get("limits"), f"{at}.limits"), f"{at}.limits"),
    )


def _min_scale(labels: Mapping[str, str], resources: ResourceClass, at: str) -> int:
    """`scale.zero` says that the least replicas are kept only while there is traffic: then the floor is nothing."""
    if labels.get("com.openfaas.scale.zero") == "true":
        return 0
    return _number(labels.get("com.openfaas.scale.min"), resources.min_scale, f"{at}.labels.scale.min")


def _class_of(labels: Mapping[str, str], classes: Mapping[str, ResourceClass], at: str) -> ResourceClass:
    name = labels.get(CLASS_LABEL)
    if name is None:
        return ResourceClass()
    if name not in classes:
        raise InvalidInput("class_unknown", f"{at}: there is no resource class {name!r}", field=f"{at}.labels")
    return classes[name]


def _working_folder(command: Sequence[str], folder: Path, handler: str) -> Path:
    """The stack file's own, unless what is run lies in the handler's, which is all that its image holds."""
    inside = (folder / handler).resolve()
    names = [word for word in command[1:] if not word.startswith("-")] or command[:1]
    paths = [name for each in names[:1] for name in (each, f"{each.replace('.', '/')}.py", each.replace(".", "/"))]
    if any(_exists(folder / path) for path in paths):
        return folder
    return inside if _exists(inside) and any(_exists(inside / path) for path in paths) else folder


def _command(fprocess: object, at: str, *, required: bool) -> tuple[str, ...]:
    try:
        command = tuple(shlex.split(_scalar(fprocess, f"{at}.fprocess")))
    except ValueError as exc:
        raise InvalidInput("fprocess_invalid", f"{at}.fprocess: {exc}", field=f"{at}.fprocess") from exc
    if not command and required:
        raise InvalidInput(
            "fprocess_missing", f"{at}.fprocess says what to run, and is missing", field=f"{at}.fprocess"
        )
    return command


def _exists(path: Path) -> bool:
    """A word of a manifest may be anything, and far too long for a path."""
    try:
        return path.exists()
    except OSError:
        return False


def _number(text: str | None, default: int, field: str, minimum: int = 0) -> int:
    if text is None:
        return default
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < minimum:
        raise InvalidInput("label_invalid", f"{field} must be a whole number of at least {minimum}", field=field)
    return int(text)


def _mapping(value: object, field: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput("manifest_invalid", f"{field} must be a mapping", field=field)
    return {str(key): item for key, item in value.items()}


def _strings(value: object, field: str) -> dict[str, str]:
    return {key: _scalar(item, f"{field}.{key}") for key, item in _mapping(value, field).items()}


def _list(value: object, field: str) -> tuple[str, ...]:
    if value is not None and not isinstance(value, list):
        raise InvalidInput("manifest_invalid", f"{field} must be a list", field=field)
    return tuple(_scalar(item, field) for item in value or ())


def _scalar(value: object, field: str) -> str:
    if isinstance(value, (dict, list)):
        raise InvalidInput("manifest_invalid", f"{field} must be a single value", field=field)
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "" if value is None else str(value)
    if "\0" in text:
        raise InvalidInput("manifest_invalid", f"{field} holds a zero byte, which no process can be given", field=field)
    return text
