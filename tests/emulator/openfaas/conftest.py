from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import Start
from tests.emulator.openfaas.world import Client

Open = Callable[..., Awaitable[Client]]


@pytest.fixture
def opened(start: Start, tmp_path: Path) -> Open:
    """`await opened({name: body}, setting=...)`: a client of an emulator on a stack of its own."""

    async def open_one(functions: dict[str, Any] | None = None, **settings: Any) -> Client:
        return Client(await start(functions or {}, **settings), tmp_path / "data")

    return open_one
