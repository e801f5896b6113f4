"""Everything that is deployed: by the stack file at the start, by the REST contract since, and kept across restarts."""

import hashlib
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psutil

from emulator.fleet import Fleet
from emulator.manifests import FunctionSpec, function_spec
from emulator.openfaas.code import CodeFinder
from emulator.openfaas.community import Edition, refuse
from emulator.openfaas.deployment import Deployment, parse
from emulator.openfaas.metrics import Invocations
from emulator.openfaas.scaling import LabelDemand, ScaleLabels, read_labels
from emulator.openfaas.state import State, StateFile
from emulator.resource_classes import ResourceClass
from emulator.revision import MakeDemand, Revision
from emulator.secret_files import SecretFiles
from emulator.sources import forget_stale_bytecode, sources_of
from shared.errors import NotFound, SluiceError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What a deployment is read with. `idle_s` is the time until zero where its labels leave that open."""

    classes: Mapping[str, ResourceClass]
    idle_s: float
    edition: Edition = "pro"


class Deployments:
    """`records` are by key, stack functions included. Use `restore` once, before the first request."""

    def __init__(
        self,
        fleet: Fleet,
        code: CodeFinder,
        secrets: SecretFiles,
        file: StateFile,
        state: State,
        metrics: Invocations,
        rules: Rules,
        queued: Callable[[str], int],
    ) -> None:
        self.records: dict[str, Deployment] = {}
        self._fleet = fleet
        self._code = code
        self._secrets = secrets
        self._file = file
        self._state = state
        self._metrics = metrics
        self._rules = rules
        self._queued = queued
        self._from_stack: dict[str, str] = {}

    def restore(self, specs: Sequence[FunctionSpec], records: Sequence[Deployment]) -> None:
        """The stack file's functions are running. What was deployed or removed later holds, unless the file changed."""
        for spec, record in zip(specs, records, strict=True):
            self._from_stack[spec.key] = _digest(record)
            self.records[spec.key] = record
        for key, digest in list(self._state.replaced.items()):
            if self._from_stack.get(key) != digest:
                del self._state.replaced[key]
                if key in self._from_stack:
                    self._state.functions.pop(key, None)
            elif key not in self._state.functions:
                self._drop(key)
        for key, body in list(self._state.functions.items()):
            self._restore_one(key, body)

    def find(self, name: str, namespace: str) -> tuple[Deployment, Revision] | None:
        revision = self._fleet.find(f"{name}.{namespace}")
        return None if revision is None else (self.records[revision.spec.key], revision)

    def put(self, deployment: Deployment) -> None:
        """Starts it, in place of what has its name. Raises `InvalidInput`, and `NotFound` for a secret."""
        for secret in deployment.secrets:
            if self._secrets.find(deployment.namespace, secret) is None:
                raise NotFound("secret_missing", f'unable to fetch secrets: secrets "{secret}" not found')
        self._start(deployment)
        self._state.functions[deployment.key] = deployment.to_json()
        self._overrule(deployment.key)

    def remove(self, key: str) -> None:
        self._drop(key)
        self._state.functions.pop(key, None)
        self._overrule(key)

    def _overrule(self, key: str) -> None:
        if key in self._from_stack:
            self._state.replaced[key] = self._from_stack[key]
        self._file.write(self._state)

    def _drop(self, key: str) -> None:
        del self.records[key]
        self._fleet.remove(key)

    def _start(self, deployment: Deployment) -> None:
        if self._rules.edition == "ce":
            refuse(deployment, len(self.records.keys() - {deployment.key}))
        code = self._code.find(deployment)
        labels = read_labels(deployment.labels, self._rules.idle_s)
        body = {
            "fprocess": shlex.join(code.command),
            "environment": {**code.environment, **deployment.environment},
            "secrets": list(deployment.secrets),
            "labels": dict(deployment.labels),
            "annotations": dict(deployment.annotations),
            "namespace": deployment.namespace,
            "image": deployment.image,
            "limits": dict(deployment.limits),
        }
        spec = function_spec(deployment.service, body, code.folder, self._rules.classes)
        spec = replace(spec, min_scale=0 if labels.zero_s is not None else labels.minimum, max_scale=labels.maximum)
        forget_stale_bytecode(sources_of(spec.command, spec.folder, spec.environment).modules)
        self._fleet.put(spec, self._demand(spec, labels))
        self.records[spec.key] = deployment

    def _demand(self, spec: FunctionSpec, labels: ScaleLabels) -> MakeDemand | None:
        if spec.queue is not None:
            return None
        key = spec.key
        return lambda meter: LabelDemand(
            labels,
            meter,
            calls=lambda: self._metrics.total(key),
            succeeded=lambda: self._metrics.succeeded(key),
            cpu_s=lambda: _cpu_s(self._fleet.revisions.get(key)),
            queued=lambda: self._queued(key),
        )

    def _restore_one(self, key: str, body: dict[str, object]) -> None:
        """A function that no longer can be deployed is left out, and tried again at the next start."""
        try:
            self._start(parse(body, now()))
        except SluiceError as error:
            _log.warning("%s was deployed earlier and is not now: %s", key, error.message)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(record: Deployment) -> str:
    return hashlib.sha256(repr(replace(record, created_at="")).encode()).hexdigest()


def _cpu_s(revision: Revision | None) -> float:
    total = 0.0
    for replica in revision.replicas if revision is not None else ():
        try:
            times = psutil.Process(replica.process.pid).cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
