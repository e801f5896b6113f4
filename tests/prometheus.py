"""A real Prometheus, and its promtool."""

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

FOLDER = Path(__file__).parents[1] / "observe" / "prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI has no {name}")
        pytest.skip(f"no {name} here")
    return found


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=FOLDER
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
    server = program("prometheus")
    folder = Path(tempfile.mkdtemp(prefix="sluice-prometheus-"))
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    url = f"http://127.0.0.1:{closed_port()}"
    command = [server, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address={url.removeprefix('http://')}", "--enable-feature=exemplar-storage"]
    guardian = start_guarded(os.getpid(), folder, signal.SIGTERM, command, folder / "said.log")
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            made = Prometheus(url, session)
            await _ready(made, folder / "said.log")
            yield made
    finally:
        await asyncio.to_thread(stop_guardian, guardian)
        shutil.rmtree(folder, ignore_errors=True)


async def _ready(server: Prometheus, log: Path) -> None:
    def words() -> str:
        return log.read_text()[-2000:] if log.exists() else ""

    for _ in range(600):
        with suppress(aiohttp.ClientError):
            async with server.session.get(f"{server.url}/-/ready") as answer:
                if answer.status == 200:
                    return
        assert "level=error" not in words(), words()
        await asyncio.sleep(0.05)
    raise AssertionError(words())
