from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.emulator.conftest import Start
from tests.emulator.openfaas.callback import Callback
from tests.emulator.openfaas.world import Client

Open = Callable[..., Awaitable[Client]]


@pytest.fixture
def opened(start: Start, tmp_path: Path) -> Open:
    """`await opened({name: body}, setting=...)`: a client of an emulator on a stack of its own."""

    async def open_one(functions: dict[str, Any] | None = None, **settings: Any) -> Client:
        return Client(await start(functions or {}, **settings), tmp_path / "data")

    return open_one


@pytest.fixture
async def callback() -> AsyncIterator[Callback]:
    heard = Callback("")
    app = web.Application()
    app.router.add_post("/cb", heard.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}/cb"
    yield heard
    await runner.cleanup()
