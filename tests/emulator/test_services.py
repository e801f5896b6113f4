"""The embedded servers: real, private, and back after anything."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from emulator.services import Services
from shared.errors import Conflict
from tests.emulator.conftest import eventually


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("services")


@pytest.fixture
async def services(data_dir: Path) -> AsyncIterator[Services]:
    async with Services.start(data_dir) as running:
        yield running


async def test_they_run_are_private_and_come_back_on_the_same_data(services: Services, data_dir: Path) -> None:
    database = await asyncpg.connect(services.database_url)
    await database.execute("CREATE EXTENSION IF NOT EXISTS vector")
    await database.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    await database.execute("DELETE FROM kept")
    await database.execute("INSERT INTO kept VALUES (7)")
    assert await database.fetchval("SELECT '[1,2]'::vector <-> '[1,2]'::vector") == 0
    assert [await database.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")] == ["on", "on"]
    database.terminate()
    async with Redis.from_url(services.redis_url) as redis:
        await redis.set("kept", "7")
    assert services.object_store_url == (data_dir / "objects").as_uri()
    assert _mode(data_dir / "run" / "sockets") == 0o700

    with pytest.raises(Conflict, match="running already"):
        async with Services.start(data_dir):
            pass

    for name, server in services.running:
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGKILL)
        await eventually(lambda one=server: one.restarts == 1 and one.ready, 5), name  # type: ignore[misc]
    database = await asyncpg.connect(services.database_url)
    assert await database.fetchval("SELECT n FROM kept") == 7
    await database.close()
    async with Redis.from_url(services.redis_url) as redis:
        assert await redis.get("kept") == b"7"


async def test_a_killed_platform_leaves_data_that_starts_again(data_dir: Path) -> None:
    data_dir /= "long" * 30
    code = (
        "import asyncio, sys, pathlib\n"
        "from emulator.services import Services\n"
        "async def main():\n"
        "    async with Services.start(pathlib.Path(sys.argv[1])) as services:\n"
        "        print(*(s.process.pid for _, s in services.running), flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with _python(code, str(data_dir)) as platform:
        assert platform.stdout is not None
        pids = [int(pid) for pid in (await asyncio.to_thread(platform.stdout.readline)).split()]
        platform.kill()
    sockets = (data_dir / "run" / "sockets").readlink()
    assert sockets.is_dir()
    async with Services.start(data_dir) as services:
        assert not sockets.exists()
        assert not any(_alive(pid) for pid in pids)
        database = await asyncpg.connect(services.database_url)
        assert await database.fetchval("SELECT 1") == 1
        await database.close()
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


async def test_two_side_by_side_in_a_folder_with_a_long_name(tmp_path: Path, data_dir: Path) -> None:
    async with Services.start(tmp_path / ("long" * 30)) as one, Services.start(data_dir) as other:
        assert one.database_url != other.database_url
        for services in (one, other):
            database = await asyncpg.connect(services.database_url)
            await database.close()
            async with Redis.from_url(services.redis_url) as redis:
                assert await redis.ping()


def _python(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", *arguments], stdout=subprocess.PIPE)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
