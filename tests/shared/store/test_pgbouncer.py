"""The store behind a real PgBouncer in transaction mode: many replicas share three connections."""

import asyncio
import os
import pwd
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.store.migrate import migrate
from shared.store.store import Store
from tests import postgres
from tests.local_http import closed_port, until
from tests.shared.store.world import World

REPLICAS = 6
CONNECTIONS = 3
PAGES = 6


def program() -> str:
    """Debian's; the test skips where there is none, but not in CI."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no pgbouncer")
        pytest.skip("no pgbouncer here")
    return found


@asynccontextmanager
async def bouncer(dsn: str) -> AsyncIterator[str]:
    """The address of a database behind a PgBouncer of this test's own."""
    binary, port, parts = program(), closed_port(), urlsplit(dsn)
    folder = postgres.new_session()  # one that another user may read
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        "[databases]\n"
        f"* = host={parse_qs(parts.query)['host'][0]} user=postgres\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {CONNECTIONS}\nmax_client_conn = 200\n"
    )
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    process = await asyncio.create_subprocess_exec(
        binary, "-q", configuration, user=user, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: _listens(port) or process.returncode is not None)
        assert process.returncode is None, "pgbouncer ended at once"
        yield f"postgresql://postgres@127.0.0.1:{port}{parts.path}?pgbouncer=true"
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(folder)


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


async def test_many_replicas_share_few_connections(database: str) -> None:
    async with bouncer(database) as address:
        assert await migrate(address) == []
        stores = [await Store.open(address, pool_size=2) for _ in range(REPLICAS)]
        try:
            worlds = [World(store) for store in stores]
            jobs = [
                await world.submit([f"https://d{n}.org/{i}" for i in range(PAGES)], caller=f"caller-{n}")
                for n, world in enumerate(worlds)
            ]
            await asyncio.gather(*(_until_done(world, REPLICAS * PAGES) for world in worlds))
            for n, (world, job) in enumerate(zip(worlds, jobs, strict=True)):
                view = await world.job(job, caller=f"caller-{n}")
                assert (view.status, dict(view.counts)) == ("completed", {"indexed": PAGES})
        finally:
            await asyncio.gather(*(store.close() for store in stores))


async def _until_done(world: World, documents: int) -> None:
    """Takes whatever is ready, whoever's it is, as every worker does."""
    while True:
        await world.pass_all(limit=3)
        await world.sweep()
        row = await world.store.fetch_row("SELECT count(*) AS n FROM documents WHERE state = 'indexed'")
        if row is not None and row["n"] == documents:
            return
