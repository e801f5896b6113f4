"""Migrations end in one schema, whoever runs them and however often."""

from shared.store.migrate import migrate
from shared.store.store import Store


async def test_migrating_again_changes_nothing(database: str) -> None:
    assert await migrate(database) == []


async def test_redis_answers(redis_url: str) -> None:
    assert redis_url


async def test_a_store_opens(store: Store) -> None:
    assert await store.pool.fetchval("SELECT count(*) FROM documents") == 0
