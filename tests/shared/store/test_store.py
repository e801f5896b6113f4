"""The door to Postgres: poolers before it, nobody behind it, two who stand in each other's way."""

import asyncio

import pytest

from shared.errors import Unavailable
from shared.store.api_keys import ApiKey, add_api_key, find_api_key, list_api_keys, revoke_api_key
from shared.store.audit import add_audit
from shared.store.store import Store, split_dsn
from tests.shared.store.world import START, World


def test_what_is_meant_for_us_does_not_reach_the_driver() -> None:
    assert split_dsn("postgresql://u@h/d") == ("postgresql://u@h/d", False)
    assert split_dsn("postgresql://u@h/d?pgbouncer=true&sslmode=require") == (
        "postgresql://u@h/d?sslmode=require",
        True,
    )


async def test_behind_a_transaction_pooler_nothing_is_prepared(database: str) -> None:
    """A statement that stayed prepared would be unknown to the next connection of the pooler."""
    async with await Store.open(f"{database}&pgbouncer=true", pool_size=1) as store:
        world = World(store)
        job = await world.submit(["https://example.org/"])
        await world.pass_all()
        await world.sweep()
        assert (await world.job(job)).status == "completed"
        assert await store.pool.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0


async def test_nobody_there_is_said_in_our_words() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await Store.open("postgresql://u:p@127.0.0.1:1/d")


async def test_a_lost_connection_is_said_in_our_words_and_replaced(database: str) -> None:
    async with await Store.open(database, pool_size=1) as store:
        with pytest.raises(Unavailable):
            await store.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
        assert (await store.fetch("SELECT 1"))[0][0] == 1


async def test_a_deadlock_may_be_tried_again(store: Store) -> None:
    await store.fetch("INSERT INTO domains (domain, delay_s) VALUES ('a', 1), ('b', 1)")
    met = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        async with store.transaction() as connection:
            await connection.execute("UPDATE domains SET delay_s = 2 WHERE domain = $1", first)
            await met.wait()
            await connection.execute("UPDATE domains SET delay_s = 2 WHERE domain = $1", second)

    outcomes = await asyncio.gather(lock("a", "b"), lock("b", "a"), return_exceptions=True)
    assert sorted(map(type, outcomes), key=str) == [type(None), Unavailable]


async def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.transaction() as connection:
            await connection.execute("INSERT INTO domains (domain, delay_s) VALUES ('a', 1)")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await store.fetch("SELECT 1 FROM domains") == []


async def test_a_key_is_known_until_it_is_revoked(store: Store) -> None:
    key = ApiKey("hash", "alice", "user", "free", ("read", "write"), "laptop", START, None)
    assert await add_api_key(store, key)
    assert not await add_api_key(store, key)
    assert await find_api_key(store, "hash") == key
    assert await find_api_key(store, "another") is None
    assert await list_api_keys(store, "alice") == await list_api_keys(store) == [key]
    assert await list_api_keys(store, "bob") == []
    assert await revoke_api_key(store, "hash", START)
    assert not await revoke_api_key(store, "hash", START)
    found = await find_api_key(store, "hash")
    assert found is not None
    assert found.revoked_at == START


async def test_what_matters_is_written_down(store: Store) -> None:
    await add_audit(store, caller_id="alice", action="job.submit", now=START, detail={"urls": 3})
    row = await store.fetch_row("SELECT caller_id, action, detail->>'urls' AS urls FROM audit")
    assert row is not None
    assert tuple(row) == ("alice", "job.submit", "3")
