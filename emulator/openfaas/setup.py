"""Puts the parts of the REST contract together."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator.development import Development
from emulator.fleet import Fleet
from emulator.launcher import Launcher
from emulator.manifests import FunctionSpec, load_yaml, read_stack
from emulator.openfaas.asynchronous.worker import AsyncCalls
from emulator.openfaas.code import CodeFinder
from emulator.openfaas.credentials import Credentials
from emulator.openfaas.deployment import Deployment, from_stack
from emulator.openfaas.deployments import Deployments, Rules, now
from emulator.openfaas.gateway import Gateway
from emulator.openfaas.metrics import Invocations, full_name
from emulator.openfaas.namespaces import Namespaces
from emulator.openfaas.platform import Platform
from emulator.openfaas.state import StateFile
from emulator.resource_classes import ResourceClass, read_classes
from emulator.secret_files import SecretFiles
from emulator.settings import EmulatorSettings
from shared.errors import SluiceError


def open_gateway(
    settings: EmulatorSettings,
    specs: Sequence[FunctionSpec],
    fleet: Fleet,
    launcher: Launcher,
    metrics: Invocations,
    variables: Mapping[str, str],
    calls: AsyncCalls,
    development: Development,
) -> Gateway:
    """Deploys what was deployed before. `specs` run already. Raises `Conflict` when the file of that is damaged."""
    file = StateFile(settings.data_dir / "deployments.json")
    state = file.read()
    secrets = SecretFiles(settings.data_dir)
    credentials = Credentials.kept_in(settings.secrets_dir, enabled=settings.basic_auth)
    deployments = Deployments(
        fleet,
        CodeFinder(settings.stack_file.parent.resolve(), _Stack(settings, specs, variables)),
        secrets,
        file,
        state,
        metrics,
        Rules(_classes(settings.classes_file), settings.idle_s, settings.edition),
        queued=lambda key: calls.queued(key) + calls.queued(full_name(key)),
    )
    deployments.restore(specs, _records(settings.stack_file, specs, variables))
    namespaces = Namespaces(state, file, (spec.namespace for spec in specs))
    platform = Platform(
        fleet, launcher, deployments, namespaces, secrets, metrics, calls, settings.edition, development
    )
    return Gateway(platform, credentials)


class _Stack:
    """The stack file as it is now; what it was at the start while it cannot be read."""

    def __init__(self, settings: EmulatorSettings, specs: Sequence[FunctionSpec], variables: Mapping[str, str]) -> None:
        self._settings = settings
        self._specs = specs
        self._variables = variables

    def __call__(self) -> Sequence[FunctionSpec]:
        if not self._settings.stack_file.exists():
            return self._specs
        try:
            return read_stack(self._settings.stack_file, self._settings.classes_file, self._variables)
        except SluiceError:
            return self._specs


def _classes(file: Path | None) -> dict[str, ResourceClass]:
    return {} if file is None else read_classes(load_yaml(file, {}))


def _records(stack_file: Path, specs: Sequence[FunctionSpec], variables: Mapping[str, str]) -> list[Deployment]:
    entries: Any = load_yaml(stack_file, variables).get("functions") if stack_file.exists() else {}
    created_at = now()
    return [from_stack(spec.name, _entry(spec, entries or {}), spec.environment, created_at) for spec in specs]


def _entry(spec: FunctionSpec, entries: Mapping[str, Any]) -> Mapping[str, Any]:
    """As it is written; functions that come from elsewhere are told by what was read of them."""
    found = entries.get(spec.name)
    if isinstance(found, dict):
        return found
    return {
        "image": spec.image,
        "namespace": spec.namespace,
        "fprocess": shlex.join(spec.command),
        "secrets": list(spec.secrets),
        "labels": dict(spec.labels),
        "annotations": dict(spec.annotations),
    }
