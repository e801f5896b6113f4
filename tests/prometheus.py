"""A real Prometheus and a real Alertmanager, with their tools."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.local_http import closed_port
from tests.postgres import start_guarded, stop_guardian

OBSERVE = Path(__file__).parents[1] / "observe"
FOLDER = OBSERVE / "prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI has no {name}")
        pytest.skip(f"no {name} here")
    return found


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _ended("promtool", FOLDER, *arguments)


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _ended("amtool", OBSERVE / "alertmanager", *arguments)


def _ended(tool: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program(tool), *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=folder
    )


@dataclass(frozen=True)
class Prometheus:
    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; raises what the server says against a query."""
        async with self.session.get(f"{self.url}/api/v1/{path}", params=parameters) as answer:
            body = await answer.json()
        assert body["status"] == "success", body
        return body["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get("query", query=expression))["result"]
        return found


@asynccontextmanager
async def prometheus(configuration: dict[str, Any]) -> AsyncIterator[Prometheus]:
    """Answers inside; what it stored is gone afterwards."""
    flags = ["--enable-feature=exemplar-storage,expand-external-labels"]
    async with _server("prometheus", configuration, "--storage.tsdb.path", flags) as made:
        yield Prometheus(*made)


@asynccontextmanager
async def alertmanager(configuration: dict[str, Any]) -> AsyncIterator[str]:
    """Its address, as host:port. It is one of one."""
    flags = ["--cluster.listen-address="]
    async with _server("prometheus-alertmanager", configuration, "--storage.path", flags) as (url, _):
        yield url.removeprefix("http://")


@asynccontextmanager
async def _server(
    name: str, configuration: dict[str, Any], storage: str, flags: list[str]
) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    server = program(name)
    folder = Path(tempfile.mkdtemp(prefix=f"sluice-{name}-"))
    file = folder / "configuration.yml"
    file.write_text(yaml.safe_dump(configuration))
    url = f"http://127.0.0.1:{closed_port()}"
    command = [server, f"--config.file={file}", f"{storage}={folder / 'data'}", *flags]
    command.append(f"--web.listen-address={url.removeprefix('http://')}")
    guardian = start_guarded(os.getpid(), folder, signal.SIGTERM, command, folder / "said.log")
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            await _ready(url, session, folder / "said.log")
            yield url, session
    finally:
        await asyncio.to_thread(stop_guardian, guardian)
        shutil.rmtree(folder, ignore_errors=True)


async def _ready(url: str, session: aiohttp.ClientSession, log: Path) -> None:
    def words() -> str:
        return log.read_text()[-2000:] if log.exists() else ""

    for _ in range(600):
        with suppress(aiohttp.ClientError):
            async with session.get(f"{url}/-/ready") as answer:
                if answer.status == 200:
                    return
        assert "level=error" not in words(), words()
        await asyncio.sleep(0.05)
    raise AssertionError(words())
