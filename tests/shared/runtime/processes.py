"""The echo function in a process of its own, under either host."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from tests.local_http import closed_port
from tests.processes import wait_until

REPO = Path(__file__).resolve().parents[3]
Kind = Literal["host", "framework"]


@dataclass(frozen=True)
class Running:
    url: str
    port: int
    process: subprocess.Popen[str]

    def stop(self) -> tuple[int, str, str]:
        """Exit status, output, log. Idempotent signals are the caller's business."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def command(kind: Kind, port: int) -> list[str]:
    if kind == "host":
        return [sys.executable, "-m", "tests.shared.runtime.echo"]
    framework = str(Path(sys.executable).with_name("functions-framework"))
    source = str(REPO / "tests/shared/runtime/echo.py")
    return [framework, "--asgi", "--target", "main", "--source", source, "--port", str(port), "--host", "127.0.0.1"]


def start(kind: Kind, **variables: str) -> Running:
    port = closed_port()
    process = subprocess.Popen(
        command(kind, port),
        env=os.environ | {"PORT": str(port), "PYTHONPATH": str(REPO)} | variables,
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return Running(f"http://127.0.0.1:{port}", port, process)


@contextmanager
def running(kind: Kind, **variables: str) -> Iterator[Running]:
    found = start(kind, **variables)
    try:
        wait_until_ready(found)
        yield found
    finally:
        # gunicorn's workers outlive a killed master, and hold the pipes.
        with suppress(ProcessLookupError):
            os.killpg(found.process.pid, signal.SIGKILL)
        found.process.communicate()


def wait_until_ready(found: Running) -> None:
    wait_until(lambda: found.process.poll() is not None or is_ready(found.url))
    assert found.process.poll() is None, "the echo function did not come up"


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
