"""Brings a database to the schema of this version."""

from pathlib import Path

from shared.store.store import split_dsn

_FOLDER = Path(__file__).parent / "sql" / "migrations"
_LOCK = 0x51_1C_E


async def migrate(dsn: str) -> list[int]:
    """Applies what is missing, in one transaction, and answers the versions applied. Any number may run at once."""
    import asyncpg  # noqa: PLC0415

    connection = await asyncpg.connect(split_dsn(dsn)[0], statement_cache_size=0)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, applied_at timestamptz)"
            )
            known = {row["version"] for row in await connection.fetch("SELECT version FROM schema_migrations")}
            missing = [(version, sql) for version, sql in migrations() if version not in known]
            for version, sql in missing:
                await connection.execute(sql)
                await connection.execute("INSERT INTO schema_migrations VALUES ($1, now())", version)
    finally:
        await connection.close()
    return [version for version, _ in missing]


def migrations() -> list[tuple[int, str]]:
    """Versions and their SQL, in order."""
    files = sorted(_FOLDER.glob("*.sql"))
    return [(int(path.name.split("_")[0]), path.read_text(encoding="utf-8")) for path in files]


if __name__ == "__main__":
    import asyncio
    import os

    asyncio.run(migrate(os.environ["DATABASE_URL"]))
