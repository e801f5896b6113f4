"""Every statement is one that Postgres accepts."""

import asyncpg

from shared.store.queries import every
from shared.store.store import Store


async def test_every_statement_is_prepared(store: Store) -> None:
    refused = {}
    async with store.pool.acquire() as connection:
        for name, sql in every().items():
            try:
                await connection.prepare(sql)
            except asyncpg.PostgresError as exc:
                refused[name] = str(exc)
    assert len(every()) > 30
    assert refused == {}
