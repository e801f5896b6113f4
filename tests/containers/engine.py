"""A container engine: the one that answers, or one of our own that is gone afterwards."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

STARTS_IN_S = 60.0
BRIDGE = Path("/sys/class/net/docker0")


@dataclass(frozen=True)
class Engine:
    """`variables` are what its client needs to find it."""

    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, limit_s: float = 600.0, cwd: Path | None = None) -> str:
        """What `docker WORDS` says. Raises `AssertionError` with its complaint when it fails."""
        ended = self.tried("docker", *words, limit_s=limit_s, cwd=cwd)
        assert ended.returncode == 0, f"docker {' '.join(words)}:\n{ended.stdout}{ended.stderr}"
        return ended.stdout.strip()

    def tried(
        self, *words: str, limit_s: float = 600.0, cwd: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, **self.variables, **(variables or {})}
        return subprocess.run(
            words, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=limit_s
        )

    def inspected(self, *names: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self("inspect", *names))
        return found

    def has(self, image: str) -> bool:
        """Here, or to be had."""
        if self.tried("docker", "image", "inspect", image).returncode == 0:
            return True
        return self.tried("docker", "pull", "--quiet", image).returncode == 0

    def compose(self) -> list[str]:
        """The tool of today, or the first version of it."""
        if self.tried("docker", "compose", "version").returncode == 0:
            return ["docker", "compose"]
        if shutil.which("docker-compose"):
            return ["docker-compose"]
        pytest.skip("neither docker compose nor docker-compose is here")


@contextmanager
def engine() -> Iterator[Engine]:
    """Skips where there is no engine and none can be started."""
    if shutil.which("docker") is None:
        pytest.skip("no container engine: docker is not on the PATH")
    if Engine().tried("docker", "info").returncode == 0:
        yield Engine()
    elif os.geteuid() == 0 and shutil.which("dockerd"):
        with _own() as own:
            yield own
    else:
        pytest.skip("no container engine: docker info has no answer")


@contextmanager
def _own() -> Iterator[Engine]:
    folder, bridged = Path(tempfile.mkdtemp(prefix="sluice-engine-")), BRIDGE.exists()
    socket = f"unix://{folder}/docker.sock"
    where = ["--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid")]
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen(["dockerd", *where, "--host", socket], stdout=log, stderr=log)
    try:
        own = Engine({"DOCKER_HOST": socket})
        until = time.monotonic() + STARTS_IN_S
        while own.tried("docker", "info").returncode != 0:
            if daemon.poll() is not None or time.monotonic() > until:
                pytest.skip("no container engine: dockerd says " + (folder / "log").read_text().splitlines()[-1])
            time.sleep(0.5)
        yield own
    finally:
        daemon.terminate()
        with suppress(subprocess.TimeoutExpired):
            daemon.wait(60)
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if not bridged and BRIDGE.exists():
            subprocess.run(["ip", "link", "delete", BRIDGE.name], check=False, timeout=60)


def _unmount(folder: Path) -> None:
    """A daemon leaves the namespace of its host network mounted, and a folder with a mount cannot go."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([each for each in mounts if each.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", mount], check=False, timeout=60)
