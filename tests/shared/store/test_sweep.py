"""What is overdue is found, by any number of sweepers, and nothing is looked for in vain."""

import asyncio

from shared.contracts.stages import EmbedRequested, ScrapeRequested
from shared.store.outbox import GRACE_S, mark_published, take_overdue
from shared.store.store import Store
from shared.store.sweep import overdue, sweep
from tests.shared.store.world import LEASE_S, World

URL = "https://example.org/a"


async def lose_everything(world: World) -> None:
    """As if the process had died between commit and publish."""
    await world.store.pool.execute("UPDATE outbox SET published_at = NULL")


async def test_an_empty_platform_has_nothing_overdue(world: World) -> None:
    assert not await overdue(world.store, world.now)
    assert not await world.store.pool.fetchval("SELECT overdue FROM overdue")


async def test_what_a_dead_process_did_not_publish_is_published_once_by_two_relays(world: World) -> None:
    await world.submit([URL])
    await world.pass_all()
    await lose_everything(world)
    assert not await overdue(world.store, world.now)
    world.after(GRACE_S)
    assert await overdue(world.store, world.now)
    first, second = await asyncio.gather(*(take_overdue(world.store, world.now) for _ in range(2)))
    relayed = {event.id: event for event in first + second}
    assert len(relayed) == len(first) + len(second) == 3
    assert {event.id: event for event in world.sent if event.id in relayed} == relayed
    assert await take_overdue(world.store, world.now) == []
    world.after(GRACE_S)
    again = await take_overdue(world.store, world.now)
    assert {event.id for event in again} == set(relayed)
    await mark_published(world.store, list(relayed), world.now)
    world.after(GRACE_S)
    assert not await overdue(world.store, world.now)


async def test_expired_leases_are_found_once_by_two_sweepers(world: World) -> None:
    job = await world.submit([f"{URL}{i}" for i in range(30)])
    await world.scrape(30)
    world.after(LEASE_S - 1)
    assert not await overdue(world.store, world.now)
    world.after(1)
    assert await overdue(world.store, world.now)
    swept = await asyncio.gather(*(world.sweep() for _ in range(2)))
    assert sum(one.expired for one in swept) == 30
    assert (await world.job(job)).counts == {"pending": 30}
    assert await world.store.pool.fetchval("SELECT count(*) FROM failures") == 30
    assert await world.store.pool.fetchval("SELECT max(deaths) FROM documents") == 1


async def test_only_one_sweeps_within_the_given_time(world: World) -> None:
    await world.submit([URL])
    await lose_everything(world)
    world.after(GRACE_S)
    swept = await asyncio.gather(*(sweep(world.store, world.now, every_s=1) for _ in range(4)))
    assert sum(bool(one.events) for one in swept) == 1


async def test_a_clock_that_ran_ahead_does_not_stop_sweeping(world: World) -> None:
    world.after(3600)
    await world.sweep()
    world.after(-3600)
    await world.submit([URL])
    world.after(GRACE_S)
    await lose_everything(world)
    assert (await world.sweep()).events != []


async def test_ready_work_of_which_nobody_heard_is_announced_again(world: World) -> None:
    await world.submit([URL])
    assert not await overdue(world.store, world.now)
    world.after(5)
    assert await overdue(world.store, world.now)
    assert [event.type for event in (await world.sweep()).events] == [ScrapeRequested.event_type]
    assert not await overdue(world.store, world.now)
    [request] = await world.pass_scrape()
    await world.apply(world.chunked(request))
    assert not await overdue(world.store, world.now)
    world.after(6)
    assert await overdue(world.store, world.now)
    assert [event.type for event in (await world.sweep()).events] == [EmbedRequested.event_type]


async def test_work_that_must_wait_wakes_nobody(world: World) -> None:
    await world.submit([URL, f"{URL}2"])
    [claim] = await world.scrape(1)
    await world.apply(world.failed(claim, retry_after_s=600))
    world.after(LEASE_S)
    assert not await overdue(world.store, world.now)
    world.after(600)
    assert await overdue(world.store, world.now)


async def test_a_suspect_is_not_forgotten(world: World) -> None:
    await world.submit([URL])
    await world.scrape()
    world.after(LEASE_S)
    await world.sweep()
    world.after(5)
    assert await overdue(world.store, world.now)


async def test_a_job_whose_end_nobody_noticed_is_ended(world: World, store: Store) -> None:
    job = await world.submit([URL])
    [claim] = await world.scrape()
    await world.apply(world.failed(claim, "permanent"))
    await store.pool.execute("UPDATE jobs SET state = 'running', ended_at = NULL")
    await store.pool.execute("DELETE FROM outbox")
    assert await overdue(store, world.now)
    ended = [one.ended for one in await asyncio.gather(*(world.sweep() for _ in range(3)))]
    assert sum(ended) == 1
    assert (await world.job(job)).status == "failed"


async def test_long_tallies_are_folded_and_add_up(world: World) -> None:
    job = await world.submit([f"{URL}{i}" for i in range(150)])
    await world.pass_scrape(limit=150)
    before = await world.job(job)
    assert await world.store.pool.fetchval("SELECT count(*) FROM job_deltas") > 200
    await asyncio.gather(*(world.sweep() for _ in range(3)))
    assert await world.store.pool.fetchval("SELECT count(*) FROM job_deltas") == 1
    assert await world.job(job) == before


async def test_old_rows_are_trimmed_and_young_ones_kept(world: World) -> None:
    await world.submit([URL])
    await world.pass_all()
    world.after(2 * 24 * 3600)
    await world.submit([f"{URL}2"])
    world.after(2 * 24 * 3600)
    await world.sweep()
    assert await world.store.pool.fetchval("SELECT count(*) FROM inbox") == 1
    assert await world.store.pool.fetchval("SELECT count(*) FROM outbox WHERE published_at < $1", world.now) == 0


async def test_a_removed_object_is_remembered_for_three_days(world: World) -> None:
    mark = "INSERT INTO removals (key, marked_at) VALUES ($1, $2)"
    await world.store.pool.execute(mark, "long ago", world.now)
    world.after(3 * 24 * 3600)
    await world.store.pool.execute(mark, "just now", world.now)
    world.after(1)
    await world.sweep()
    assert await world.store.pool.fetchval("SELECT array_agg(key) FROM removals") == ["just now"]
