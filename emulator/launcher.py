"""Starts replicas: environment, secrets and port of their own, and nothing else of the emulator's."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Self

from emulator.cluster_names import proxy_variables
from emulator.cold_starts import ColdStart, ColdStarts, How
from emulator.containment.allowance import Allowance
from emulator.containment.processors import Processors, confine
from emulator.knative.references import PORT
from emulator.leftovers import PidFile
from emulator.logs import RotatingLog
from emulator.manifests import FunctionSpec
from emulator.processes import Process, spawn
from emulator.replica import Replica
from emulator.secret_files import SecretFiles
from emulator.secret_mount import supported_mount
from emulator.settings import EmulatorSettings
from emulator.template.command import PythonCommand
from emulator.template.template import Job
from emulator.template.templates import Templates
from observe.metrics import Registry
from shared.errors import Permanent

# Below what kernels hand out to outgoing connections, which could take a port between our look and the replica's bind.
PORTS = range(20_000, 32_000)
PASSED_ON = ("HOME", "LANG", "TZ")
# The log of what the emulator itself did; also who speaks in a function's log when it is not the function.
EMULATOR = "emulator"


class Launcher:
    """Raises `Permanent` when a replica cannot even be started: no such command, a secret that is missing."""

    def __init__(
        self,
        *,
        secrets: SecretFiles,
        scratch_dir: Path,
        logs_dir: Path,
        extra_env: Mapping[str, str],
        pids: PidFile,
        cold_start: How,
        base_url: str,
        metrics: Registry,
    ) -> None:
        self.cold_starts = ColdStarts(metrics)
        self._secrets = secrets
        self._scratch_dir = scratch_dir
        self._logs_dir = logs_dir
        self._extra_env = extra_env
        self._base_url = base_url
        self._pids = pids
        self._logs: dict[str, RotatingLog] = {}
        self._ports: set[int] = set()
        self._mount = supported_mount()
        self.templates = Templates(pids, say=self.say, write=self._write, enabled=cold_start == "template")
        self._processors = Processors()

    @classmethod
    def under(cls, settings: EmulatorSettings, pids: PidFile, metrics: Registry) -> Self:
        """With everything in its usual place in the data directory; what a killed emulator left there goes."""
        scratch_dir = settings.data_dir / "run" / "replicas"
        shutil.rmtree(scratch_dir, ignore_errors=True)
        return cls(
            secrets=SecretFiles(settings.data_dir),
            scratch_dir=scratch_dir,
            logs_dir=settings.logs_dir,
            extra_env=settings.extra_env,
            pids=pids,
            cold_start=settings.cold_start,
            base_url=settings.base_url,
            metrics=metrics,
        )

    def log_of(self, function: str) -> RotatingLog:
        if function not in self._logs:
            self._logs[function] = RotatingLog(self._logs_dir / f"{function}.log")
        return self._logs[function]

    def launch(self, spec: FunctionSpec) -> Replica:
        began_s = time.monotonic()
        name = f"{spec.name}-{uuid.uuid4().hex[:8]}"
        scratch = self._scratch_dir / name
        port = free_port(self._ports)
        try:
            secrets = self._private_secrets(spec, scratch / "secrets")
            process, how = self._spawn(spec, name, self._environment(spec, name, port, secrets), secrets)
        except BaseException as exc:
            shutil.rmtree(scratch, ignore_errors=True)
            if isinstance(exc, OSError):
                raise Permanent("cannot_start", f"{spec.name} cannot be given its files: {exc.strerror}") from exc
            raise
        tell = partial(self._tell_of_start, spec.key, name)
        replica = Replica(name, port, process, scratch, began_s, tell, how=how)
        self._ports.add(port)
        self._pids.add(process)
        self._confine(process, spec.allowance)
        process.exited.add_done_callback(lambda _: self._forget(replica))
        return replica

    def say(self, key: str, text: str) -> None:
        """In the emulator's own log: what it did for a function."""
        self.log_of(EMULATOR).write(key, text)

    def warm(self, spec: FunctionSpec) -> None:
        """The function will have to start again: that is to go faster, where it can."""
        environment = self._environment(spec, "", 0, Path())
        self.templates.warm(spec, _command(spec, environment), environment)

    @property
    def mounts_secrets(self) -> bool:
        """Replicas see their secrets where OpenFaaS has them, beside the folder that SECRETS_DIR names."""
        return self._mount is not None

    def end_followers(self) -> None:
        for log in self._logs.values():
            log.end_followers()

    def close(self) -> None:
        for log in self._logs.values():
            log.close()

    def _confine(self, process: Process, allowance: Allowance) -> None:
        processors = self._processors.take(allowance.cpu_millis)
        confine(process.pid, allowance.cpu_millis, processors)
        process.exited.add_done_callback(lambda _: self._processors.give_back(processors))

    def _spawn(
        self, spec: FunctionSpec, name: str, environment: Mapping[str, str], secrets: Path
    ) -> tuple[Process, How]:
        log = self.log_of(spec.key)
        command = _command(spec, environment)

        def write(line: str) -> None:
            log.write(name, line)

        def job(python: PythonCommand) -> Job:
            words = command[len(python.interpreter) :]
            if not spec.secrets or self._mount is None:
                return Job(words, environment, write)
            return Job(words, environment, write, secrets, _room_beside(secrets), self._mount.flags)

        forked = self.templates.fork(spec, command, environment, job)
        if forked is not None:
            return forked, "template"
        try:
            process = spawn(
                command,
                folder=spec.folder,
                environment=environment,
                on_line=write,
                before_exec=self._shown(secrets) if spec.secrets else None,
            )
        except OSError as exc:
            raise Permanent("cannot_start", f"{spec.command[0]} cannot be run: {exc.strerror}") from exc
        except ValueError as exc:
            raise Permanent("cannot_start", f"{spec.name} cannot be run: {exc}") from exc
        except subprocess.SubprocessError as exc:
            raise Permanent("cannot_start", f"{spec.name} cannot be given its secrets: {exc}") from exc
        return process, "exec"

    def _shown(self, secrets: Path) -> Callable[[], None] | None:
        if self._mount is None:
            return None
        return partial(self._mount, secrets, _room_beside(secrets))

    def _environment(self, spec: FunctionSpec, name: str, port: int, secrets: Path) -> dict[str, str]:
        inherited = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        return {
            **inherited,
            **proxy_variables(spec.annotations, self._base_url),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "HOST": "127.0.0.1",
            **spec.environment,
            **self._extra_env,
            "PORT": str(port),
            "SECRETS_DIR": str(secrets),
            "OPENFAAS_NAME": spec.name,
            "OPENFAAS_NAMESPACE": spec.namespace,
            "K_SERVICE": spec.name,
            "K_CONFIGURATION": spec.name,
            "K_REVISION": f"{spec.name}-00001",
            "HOSTNAME": name,
        }

    def _private_secrets(self, spec: FunctionSpec, folder: Path) -> Path:
        folder.mkdir(parents=True, mode=0o700)
        for secret in spec.secrets:
            source = self._secrets.find(spec.namespace, secret)
            if source is None:
                raise Permanent(
                    "secret_missing", f"secret {secret} does not exist; {spec.name} cannot start without it"
                )
            target = folder / secret
            target.touch(mode=0o600)
            target.write_bytes(source.read_bytes())
            target.chmod(0o400)
        return folder

    def _write(self, key: str, instance: str, text: str) -> None:
        self.log_of(key).write(instance, text)

    def _tell_of_start(self, key: str, replica: str, start: ColdStart) -> None:
        if start.first_byte_ms is None:
            self.cold_starts.ready(key, start)
            self.say(key, f"{replica} {start.ready_in_words()}")
        else:
            self.cold_starts.first_byte(key, start)
            self.say(key, f"{replica} {start.first_byte_in_words()}")

    def _forget(self, replica: Replica) -> None:
        self._ports.discard(replica.port)
        self._pids.remove(replica.process)
        replica.clean_up()


def _room_beside(secrets: Path) -> Path:
    under = secrets.with_name("under")
    under.mkdir(exist_ok=True)
    return under


def _command(spec: FunctionSpec, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Which port it is, is known only now."""
    first, *rest = (word.replace(PORT, environment["PORT"]) for word in spec.command)
    return (shutil.which(first, path=environment["PATH"]) or first, *rest)


def free_port(taken: set[int]) -> int:
    for port in random.sample(PORTS, 200):
        if port not in taken and _can_bind(port):
            return port
    raise Permanent("no_port", f"no free port between {PORTS.start} and {PORTS.stop}")


def _can_bind(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("0.0.0.0", port))  # noqa: S104
        except OSError:
            return False
    return True
