"""Brings a database to the schema of this version: forward only, under a lock, or telling what it would do.

`sluice migrate` on a laptop and `python -m shared.store.migrate` in an image are the same.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import SluiceError
from shared.settings import Environment
from shared.store.store import split_dsn, translated

if TYPE_CHECKING:
    from shared.store.store import Connection

_FOLDER = Path(__file__).parent / "sql" / "migrations"
_LOCK = 0x51_1C_E


async def migrate(dsn: str, *, dry_run: bool = False) -> list[int]:
    """Applies what is missing, in one transaction, and answers the versions applied. Any number may run at once.

    With `dry_run` it answers what it would apply. Raises `Unavailable` when nobody answers.
    """
    import asyncpg  # noqa: PLC0415

    with translated():
        connection = await asyncpg.connect(split_dsn(dsn)[0], statement_cache_size=0)
    try:
        with translated():
            async with connection.transaction(readonly=dry_run):
                return await (_missing_in if dry_run else _apply_missing)(connection)
    finally:
        await connection.close()


async def _apply_missing(connection: "Connection") -> list[int]:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, applied_at timestamptz)"
    )
    missing = await _missing_in(connection)
    for version, sql in migrations():
        if version in missing:
            await connection.execute(sql)
            await connection.execute("INSERT INTO schema_migrations VALUES ($1, now())", version)
    return missing


async def _missing_in(connection: "Connection") -> list[int]:
    there = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
    rows = await connection.fetch("SELECT version FROM schema_migrations") if there else []
    known = {row["version"] for row in rows}
    return [version for version, _ in migrations() if version not in known]


def migrations() -> list[tuple[int, str]]:
    """Versions and their SQL, in order."""
    files = sorted(_FOLDER.glob("*.sql"))
    return [(int(path.name.split("_")[0]), path.read_text(encoding="utf-8")) for path in files]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="change nothing; say what would be applied")


def run(env: Environment, args: argparse.Namespace) -> int:
    """`DATABASE_URL` names the database. 0: it is, or would be, up to date."""
    applied = asyncio.run(migrate(env.text("DATABASE_URL"), dry_run=args.dry_run))
    names = {int(path.name.split("_")[0]): path.stem for path in _FOLDER.glob("*.sql")}
    for version in applied:
        print(f"{'would apply' if args.dry_run else 'applied'} {names[version]}")
    if not applied:
        print("the schema is up to date")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.store.migrate", description=(__doc__ or "").split("\n")[0])
    add_arguments(parser)
    try:
        return run(Environment(os.environ), parser.parse_args(arguments))
    except SluiceError as error:
        print(f"migrate: {error.message} ({error.code})", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
