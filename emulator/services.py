"""The servers a laptop platform stands on: Postgres, Redis and a folder of objects, started and kept running."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from emulator.data_lock import DataLock
from emulator.leftovers import PidFile
from emulator.logs import RotatingLog
from emulator.postgres import Postgres
from emulator.redis_server import RedisServer
from emulator.supervised import Program, Supervised

# What a unix socket's path may be long, on the system that allows least, with room for the socket's name.
LONGEST_SOCKET_FOLDER = 85


@dataclass(frozen=True)
class Services:
    """`async with Services.start(data_dir) as services`. The URLs stay the same when a server is restarted."""

    database_url: str
    redis_url: str
    object_store_url: str
    running: tuple[tuple[str, Supervised], ...]

    @classmethod
    @asynccontextmanager
    async def start(cls, data_dir: Path) -> AsyncIterator[Self]:
        """Raises `Conflict` when the folder is in use, `Unavailable` when a server does not start.

        Must be entered on the main thread.
        """
        data_dir = Path(os.path.realpath(data_dir))  # noqa: ASYNC240
        async with AsyncExitStack() as stack:
            stack.enter_context(DataLock(data_dir, "services"))
            pids = PidFile(data_dir / "run" / "services.json")
            socket_dir = stack.enter_context(_socket_folder(data_dir / "run" / "sockets"))
            postgres = Postgres(data_dir / "postgres", socket_dir)
            await postgres.prepare()
            await asyncio.to_thread(pids.end_leftovers)
            redis = RedisServer(data_dir / "redis", socket_dir)
            objects = data_dir / "objects"
            objects.mkdir(exist_ok=True)
            running = tuple((each.name, _supervised(each, data_dir, pids, stack)) for each in (postgres, redis))
            for _, server in running:
                stack.push_async_callback(server.stop)
            await asyncio.gather(*(server.start() for _, server in running))
            yield cls(postgres.url, redis.url, objects.as_uri(), running)

    @staticmethod
    def database_of(data_dir: Path) -> str:
        """The URL of the database of a platform that runs on this folder."""
        data_dir = Path(os.path.realpath(data_dir))
        return Postgres(data_dir / "postgres", data_dir / "run" / "sockets").url

    def status(self) -> dict[str, Any]:
        return {
            name: {
                "ready": server.ready,
                "pid": server.process.pid if server.process is not None else None,
                "restarts": server.restarts,
            }
            for name, server in self.running
        }


def _supervised(program: Program, data_dir: Path, pids: PidFile, stack: AsyncExitStack) -> Supervised:
    log = RotatingLog(data_dir / "logs" / f"{program.name}.log")
    stack.callback(log.close)
    return Supervised(program, log, pids.add, pids.remove)


@contextlib.contextmanager
def _socket_folder(wanted: Path) -> Iterator[Path]:
    """`wanted`, or where its path is too long for a socket a short temporary folder; closed to others either way."""
    if wanted.is_symlink():  # to the temporary folder of a platform that was killed
        shutil.rmtree(wanted.readlink(), ignore_errors=True)
        wanted.unlink()
    if len(str(wanted).encode()) <= LONGEST_SOCKET_FOLDER:
        wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
        wanted.chmod(0o700)
        yield wanted
        return
    short = Path(tempfile.mkdtemp(prefix="sluice-", dir="/tmp"))
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.symlink_to(short)
    try:
        yield short
    finally:
        shutil.rmtree(short, ignore_errors=True)
        wanted.unlink(missing_ok=True)
