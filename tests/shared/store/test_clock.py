"""All go by the database's time: what one process writes, another judges, and a clock that is set loses nothing."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pipeline.policy import PATIENT, Policy
from shared.store.claims import release
from shared.store.clock import BELIEVED_S, Clock
from shared.store.domains import slow_domain
from shared.store.store import Store
from shared.store.sweep import overdue, take_turn
from tests.shared.store.world import START, World, ref

ROOT = Path(__file__).parents[3]
HOUR = timedelta(hours=1)
URLS = ["https://a.org/1", "https://b.org/2", "https://c.org/3"]


@dataclass
class Machine:
    """A machine's two clocks: one that is set by whoever likes to, and one that only runs."""

    wall: datetime = START
    running_s: float = 1000.0

    def clock(self) -> Clock:
        return Clock(lambda: self.running_s, lambda: self.wall)


def tell(clock: Clock, said: datetime) -> None:
    asked_at = clock.asking()
    assert asked_at is not None
    clock.heard(said, asked_at)


def test_the_machines_own_clock_counts_only_until_the_database_was_asked() -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.now() == START
    tell(clock, START + HOUR)
    machine.wall -= timedelta(days=365)
    machine.running_s += 7
    assert clock.now() == START + HOUR + timedelta(seconds=7)


def test_it_asks_again_after_a_while_and_at_once_when_nobody_answered() -> None:
    machine = Machine()
    clock = machine.clock()
    tell(clock, START)
    assert clock.asking() is None
    machine.running_s += BELIEVED_S
    assert clock.asking() is not None
    assert clock.asking() is None, "who asks, asks for all"
    clock.unheard()
    tell(clock, START + HOUR)
    assert clock.now() == START + HOUR


def test_an_answer_that_was_long_on_its_way_changes_nothing_that_it_does_not_refute() -> None:
    machine = Machine()
    clock = machine.clock()
    tell(clock, START)
    machine.running_s += BELIEVED_S
    asked_at = clock.asking()
    assert asked_at is not None
    machine.running_s += 4
    right = START + timedelta(seconds=BELIEVED_S + 4)
    clock.heard(right - timedelta(seconds=3), asked_at)
    assert clock.now() == right
    machine.running_s += BELIEVED_S
    asked_at = clock.asking()
    assert asked_at is not None
    machine.running_s += 4
    clock.heard(START, asked_at)
    assert clock.now() == START + timedelta(seconds=2)


async def test_a_store_goes_by_the_databases_time(database: str) -> None:
    async with await Store.open(database) as store, await Store.open(database) as other:
        await _set(store, "now() - interval '3 years'")
        for opened in (store, other):
            opened.clock.unheard()
            await opened.fetch("SELECT 1")
        assert abs(store.clock.now() - other.clock.now()) < timedelta(seconds=5)
        assert datetime.now(UTC) - store.clock.now() > timedelta(days=1000)
        other.clock.unheard()
        async with other.pinned() as pinned:
            assert pinned.clock is other.clock
        assert other.clock.asking() is None, "pinning has asked"


def test_no_process_that_shares_the_database_goes_by_a_clock_of_its_own() -> None:
    """But for what only people read, and for processes that know no database."""
    allowed = {
        "shared/runtime/tick.py",
        "shared/runtime/event_endpoint.py",
        "shared/runtime/metrics.py",
        "shared/audit.py",
        "shared/embeddings/client.py",
        "shared/store/clock.py",
        "functions/membership/admin_key.py",
        "functions/membership/handler.py",
        "functions/scrape/alone.py",
        "gateway/grants.py",
        # When a span began and ended, which is for people, too.
        "shared/runtime/app.py",
        "shared/runtime/resources.py",
        "shared/runtime/worker_desk.py",
        "shared/store/spans.py",
        "shared/workqueue/wake_ups.py",
    }
    own = ("datetime.now(", "time.time(", "utcnow(")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("shared", "functions", "gateway")
        for path in (ROOT / folder).rglob("*.py")
        if any(word in path.read_text() for word in own)
    }
    assert found <= allowed, f"{found - allowed}: ask `store.clock.now()` instead"


async def test_set_forward_by_hours_what_is_in_hand_is_taken_back_and_nobody_is_charged(store: Store) -> None:
    world = World(store)
    job = await world.submit(URLS)
    for _ in range(4):
        await world.scrape()
        world.now += 3 * HOUR
        await world.sweep()
    assert await store.pool.fetchval("SELECT max(deaths) FROM documents") == 0
    await world.pass_all()
    assert (await world.job(job)).status == "completed"


async def test_set_back_by_years_nothing_waits_for_them(store: Store) -> None:
    """A lease, a retry, a slow domain, an event that is to be sent, and a worker that is to be woken."""
    world = World(store)
    world.now += timedelta(days=3000)
    job = await world.submit(URLS)
    held, given_back, failing = await world.scrape()
    await release(store, [given_back], world.now, not_before=world.now + HOUR)
    await world.apply(world.failed(failing))
    await slow_domain(store, held.domain, world.now, 30)
    await store.pool.execute("UPDATE outbox SET published_at = NULL")
    world.now = START
    assert await overdue(store, world.now)
    assert {event.type for event in (await world.sweep()).events} == {"dev.sluice.scrape.requested.v1"}
    world.after(PATIENT.result_wait_s(0))
    await world.sweep()
    world.after(PATIENT.retry_cap_s)
    await world.pass_all()
    await world.pass_all()
    assert (await world.job(job)).status == "completed"


async def test_what_a_process_writes_that_has_not_heard_of_it_yet_does_not_wait_either(store: Store) -> None:
    world = World(store)
    await world.submit(URLS)
    claims = await world.scrape()
    before = world.now + HOUR
    await take_turn(store, "sweep", 0, before)
    await world.sweep()
    await release(store, claims, before)
    world.after(61)
    await world.sweep()
    world.after(PATIENT.retry_cap_s)
    assert len(await world.scrape()) == len(claims)


async def test_what_was_seen_before_it_was_set_back_does_not_hide_what_is_seen_after(store: Store) -> None:
    world = World(store)
    world.now += timedelta(days=3000)
    await world.submit(URLS[:1])
    await world.pass_all("old")
    world.now = START
    await world.sweep()
    world.after(61)
    await world.submit(URLS[:1])
    await world.pass_all("new")
    [page] = await store.fetch("SELECT text_sha256, fetched_at FROM pages")
    assert (page["text_sha256"], page["fetched_at"]) == (ref("new").sha256, world.now)


STEPS = st.sampled_from(["scrape", "report", "lose", "give back", "embed", "sweep", "sweep", "wait"])
SET = st.sampled_from([timedelta(days=-4000), -HOUR, timedelta(seconds=-45), timedelta(seconds=30), 3 * HOUR])
# What the clocks of two processes may differ by that have both asked within the last seconds.
SKEW = st.sampled_from([timedelta(seconds=seconds) for seconds in (0, 0, -5, 5)])


def test_however_it_is_set_and_however_clocks_differ_everything_ends_in_time(database: str) -> None:
    with asyncio.Runner() as runner:
        store = runner.run(Store.open(database))

        @settings(max_examples=25, deadline=None)
        @given(st.lists(STEPS | SET, max_size=20), st.randoms(use_true_random=False), st.data())
        def walk(steps: list[str | timedelta], random: Random, data: st.DataObject) -> None:
            world = World(store, policy=Policy(max_deaths=1000))
            job = runner.run(world.submit(URLS))
            for step in steps:
                skew = data.draw(SKEW)
                world.now += skew
                runner.run(_step(world, step, random))
                world.now -= skew
            assert runner.run(_minutes_until_done(world, job)) <= 15
            runner.run(store.pool.execute(f"DELETE FROM corpora; DELETE FROM domains; DELETE FROM outbox; {UNTAKEN}"))

        try:
            walk()
        finally:
            runner.run(store.close())


UNTAKEN = "UPDATE turns SET taken_at = '-infinity'"


async def _step(world: World, step: str | timedelta, random: Random) -> None:
    match step:
        case timedelta():
            world.now += step
        case "wait":
            world.after(random.uniform(0, 90))
        case "sweep":
            await world.sweep()
        case "scrape" | "report" | "lose" | "give back":
            claims = await world.scrape(2)
            for claim in claims if step != "lose" else ():
                if step == "give back":
                    await release(world.store, [claim], world.now, not_before=world.now + timedelta(seconds=60))
                elif step == "report":
                    await world.apply(world.scraped(claim))
        case _:
            for request in [event for event in world.sent if event.type == "dev.sluice.chunk.requested.v1"]:
                await world.apply(world.chunked(request))
            for embedding in await world.embed(1):
                await world.swap(embedding)


async def _minutes_until_done(world: World, job: UUID) -> int:
    """With workers that work, and a sweep a minute."""
    for minute in range(60):
        await world.sweep()
        await world.pass_all()
        for request in [event for event in world.sent if event.type == "dev.sluice.chunk.requested.v1"]:
            await world.apply(world.chunked(request))
        view = await world.job(job)
        if view.ended_at is not None:
            assert view.status == "completed", view
            return minute
        world.after(60)
    left = await world.store.fetch("SELECT state, not_before, lease_until, nudges, deaths FROM documents")
    raise AssertionError(f"at {world.now} there is still {[dict(row) for row in left]}")


async def _set(store: Store, expression: str) -> None:
    await store.fetch(
        f"CREATE OR REPLACE FUNCTION platform_time() RETURNS timestamptz LANGUAGE sql STABLE AS $$SELECT {expression}$$"
    )
