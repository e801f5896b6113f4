"""Migrations end in one schema, whoever runs them and however often."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from shared.errors import Unavailable
from shared.store.migrate import migrate, migrations
from tests import postgres
from tests.local_http import closed_port

SNAPSHOT = Path(__file__).parent / "schema.txt"
DESCRIBE = """
SELECT format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
    coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) AS line
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT format('%s: %s', indrelid::regclass, pg_get_indexdef(indexrelid)) FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT format('%s: %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL
SELECT format('%s(%s) %s', p.proname, pg_get_function_identity_arguments(p.oid), md5(p.prosrc)) FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND NOT EXISTS (
    SELECT 1 FROM pg_depend e WHERE e.objid = p.oid AND e.deptype = 'e'
)
"""


async def schema_of(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return sorted(row["line"] for row in await connection.fetch(DESCRIBE))
    finally:
        await connection.close()


async def test_the_migrations_end_in_the_committed_schema(database: str) -> None:
    """After a migration was added: write the lines below to `schema.txt`, and read the difference."""
    found = "".join(f"{line}\n" for line in await schema_of(database))
    assert found == SNAPSHOT.read_text(), found


async def test_migrating_again_changes_nothing(database: str) -> None:
    before = await schema_of(database)
    assert await migrate(database) == []
    assert await schema_of(database) == before


async def test_many_may_migrate_an_empty_database_at_once(postgres_server: str) -> None:
    dsn = postgres.create(postgres_server, template="template0")
    try:
        applied = await asyncio.gather(*(migrate(dsn) for _ in range(4)))
        assert sorted(applied) == [[], [], [], [version for version, _ in migrations()]]
        assert await schema_of(dsn) == SNAPSHOT.read_text().splitlines()
    finally:
        postgres.drop(postgres_server, dsn)


async def test_a_dry_run_says_what_it_would_do_and_does_nothing(postgres_server: str) -> None:
    dsn = postgres.create(postgres_server, template="template0")
    try:
        everything = [version for version, _ in migrations()]
        assert await migrate(dsn, dry_run=True) == everything
        assert await schema_of(dsn) == []
        assert await migrate(dsn) == everything
        assert await migrate(dsn, dry_run=True) == []
    finally:
        postgres.drop(postgres_server, dsn)


def test_the_command_says_what_it_did(database: str) -> None:
    variables = {**os.environ, "DATABASE_URL": database}
    for words in (["-m", "shared.store.migrate"], ["-m", "cli.main", "migrate", "--dry-run"]):
        ended = subprocess.run(
            [sys.executable, *words], env=variables, capture_output=True, text=True, check=True, timeout=60
        )
        assert ended.stdout == "the schema is up to date\n"


async def test_a_database_that_does_not_answer_is_one_sentence() -> None:
    with pytest.raises(Unavailable, match="Postgres does not answer"):
        await migrate(f"postgresql://127.0.0.1:{closed_port()}/none")


def test_versions_are_counted_without_gaps() -> None:
    assert [version for version, _ in migrations()] == list(range(1, len(migrations()) + 1))
