"""An emulator on a stack of the test's own, and a client that speaks plain HTTP to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from yarl import URL

from emulator.app import Emulator, EmulatorSettings
from emulator.eventing import Eventing

FUNCTION = Path(__file__).parent / "functions" / "app.py"


class Platform:
    """The emulator and a session on its port."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.base = f"http://127.0.0.1:{emulator.settings.port}"

    def url(self, path: str) -> URL:
        return URL(self.base + path, encoded=True)

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.url(path), allow_redirects=False) as response:
            return response.status, await response.text()

    def function(self, name: str) -> dict[str, Any]:
        return next(each for each in self.emulator.status()["functions"] if each["name"] == name)


Start = Callable[..., Awaitable[Platform]]


def command(*flags: str) -> str:
    return " ".join(("python", str(FUNCTION), *flags))


def write_stack(folder: Path, functions: dict[str, Any]) -> Path:
    file = folder / "stack.yml"
    file.write_text(yaml.safe_dump({"version": "1.0", "provider": {"name": "openfaas"}, "functions": functions}))
    return file


async def eventually(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Polls; fails when it does not come true in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while not (found := condition()):
        assert loop.time() < until, "it did not happen in time"
        await asyncio.sleep(0.01)
    return found


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """`await start({name: body, ...}, setting=...)`: bodies without `fprocess` run the test function."""
    async with AsyncExitStack() as stack:

        async def start_one(
            functions: dict[str, Any], *, eventing: Eventing | None = None, **settings: Any
        ) -> Platform:
            bodies = {name: {"fprocess": command(), **body} for name, body in functions.items()}
            chosen = {"port": 0, "data_dir": tmp_path / "data", "grace_s": 1.0, "drain_s": 2.0, **settings}
            configured = EmulatorSettings(stack_file=write_stack(tmp_path, bodies), **chosen)
            return await stack.enter_async_context(_running(Emulator(configured, eventing)))

        yield start_one


@asynccontextmanager
async def _running(emulator: Emulator) -> AsyncIterator[Platform]:
    async with emulator, aiohttp.ClientSession() as session:
        yield Platform(emulator, session)
