"""A real nginx with the edge's configuration, in front of whatever a test wants."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.local_http import closed_port
from tests.postgres import start_guarded, stop_guardian

FOLDER = Path(__file__).parents[1] / "gateway" / "nginx"
# What an operator writes whose edge stands behind a balancer: the balancer's word for who the client is.
BEHIND_A_BALANCER = "set_real_ip_from 127.0.0.0/8;\nreal_ip_header X-Balancer-Saw;\n"


@dataclass(frozen=True)
class Edge:
    """`url` is its address over HTTP, `tls_url` that over HTTPS."""

    folder: Path
    port: int
    tls_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.tls_port}"

    def log(self) -> bytes:
        return (self.folder / "access.log").read_bytes()


def program() -> str:
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no nginx")
        pytest.skip("no nginx here")
    return found


@asynccontextmanager
async def edge(
    upstream: str, *, variant: str = "plain", include: str = "", timeouts_s: int | None = None
) -> AsyncIterator[Edge]:
    """`upstream` is host:port; `include` is an operator's own file in conf.d; `timeouts_s` is how long it may take."""
    nginx = program()
    made = Edge(folder := _folder(), closed_port(), closed_port())
    try:
        _rendered(folder, variant, upstream, made)
        _changed(folder, include, timeouts_s)
        guardian = start_guarded(
            os.getpid(),
            folder,
            signal.SIGTERM,
            [nginx, "-c", str(folder / "nginx.conf"), "-g", "daemon off;"],
            folder / "said.log",
        )
        try:
            await _answers(made.port)
            yield made
        finally:
            await asyncio.to_thread(stop_guardian, guardian)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sluice-edge-"))
    folder.chmod(0o755)  # nginx's workers are somebody else when its master is root
    return folder


def _changed(folder: Path, include: str, timeouts_s: int | None) -> None:
    (folder / "conf.d" / "own.conf").write_text(include)
    if timeouts_s is not None:
        routes = folder / "edge" / "routes.conf"
        routes.write_text(re.sub(r"(proxy_read_timeout) \d+s", rf"\1 {timeouts_s}s", routes.read_text()))


def _rendered(folder: Path, variant: str, upstream: str, ports: Edge) -> None:
    settings: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "GATEWAY_UPSTREAM": upstream,
        "EDGE_LISTEN": f"127.0.0.1:{ports.port}",
        "EDGE_TLS_LISTEN": f"127.0.0.1:{ports.tls_port}",
    }
    if variant == "tls":
        _certificate(folder)
    subprocess.run([FOLDER / "render", folder, variant], env=settings, check=True)


def _certificate(folder: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)


async def _answers(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            return
