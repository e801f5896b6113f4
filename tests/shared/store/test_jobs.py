"""Jobs are called off, asked for again and ended, and their counts add up all the while."""

import asyncio

import pytest

from shared.contracts.jobs import StageName
from shared.store.claims import renew
from shared.store.reads import JobFilter, get_corpus, get_job, list_corpora, list_failures, list_jobs, ready_depth
from tests.shared.store.world import LEASE_S, World

URLS = [f"https://d{i}.org/" for i in range(4)]


async def test_cancelling_ends_what_is_unfinished_and_takes_it_from_its_workers(world: World) -> None:
    job = await world.submit(URLS)
    done, *in_hand = await world.scrape(3)
    await world.apply(world.failed(done, "permanent"))
    [request] = await world.apply(world.scraped(in_hand[0]))
    events = await world.cancel(job)
    assert [event.type for event in events] == ["dev.sluice.job.cancelled.v1"]
    view = await world.job(job)
    assert (view.status, view.counts) == ("cancelled", {"failed": 1, "cancelled": 3})
    assert await renew(world.store, in_hand, LEASE_S, world.now) == {claim.document_id for claim in in_hand}
    assert await world.apply(world.chunked(request)) == []
    assert await world.apply(world.scraped(in_hand[1])) == []
    assert await world.cancel(job) == []
    assert (await world.job(job)).counts == view.counts


async def test_nobody_cancels_anothers_job(world: World) -> None:
    job = await world.submit(URLS)
    assert await world.cancel(job, caller="mallory") == []
    assert (await world.job(job)).counts == {"pending": 4}


async def test_a_cancelled_claim_cannot_write_to_the_index(world: World) -> None:
    job = await world.submit(URLS[:1])
    [request] = await world.pass_scrape()
    await world.apply(world.chunked(request))
    [claim] = await world.embed()
    await world.cancel(job)
    assert not await world.swap(claim)
    assert await world.store.pool.fetchval("SELECT count(*) FROM pages") == 0


@pytest.mark.parametrize(
    ("from_stage", "state"),
    [(None, "embedding"), ("embed", "embedding"), ("chunk", "chunking"), ("scrape", "pending")],
)
async def test_a_failed_document_goes_again_from_any_stage(
    world: World, from_stage: StageName | None, state: str
) -> None:
    job = await world.submit(URLS[:1])
    [request] = await world.pass_scrape()
    await world.apply(world.chunked(request))
    [claim] = await world.embed()
    await world.apply(world.failed(claim, "permanent", "embedding"))
    assert (await world.job(job)).status == "failed"
    events = await world.replay(job, from_stage)
    view = await world.job(job)
    assert (view.status, view.counts, view.ended_at) == ("running", {state: 1}, None)
    assert len(events) == 1
    assert [failure.code for failure in await list_failures(world.store, "alice", claim.document_id)] == ["went_wrong"]
    if state == "chunking":
        await world.apply(world.chunked(events[0]))
    await world.pass_all()
    assert (await world.job(job)).status == "completed"
    assert world.types()[-1] == "job.completed"


async def test_a_replay_goes_no_further_than_its_document_came(world: World) -> None:
    job = await world.submit(URLS[:1])
    [claim] = await world.scrape()
    await world.apply(world.failed(claim, "permanent"))
    await world.replay(job, "embed")
    assert (await world.job(job)).counts == {"pending": 1}


async def test_only_the_named_and_only_the_failed_go_again(world: World) -> None:
    job = await world.submit(URLS)
    claims = await world.scrape(3)
    for claim in claims:
        await world.apply(world.failed(claim, "permanent"))
    [unfinished] = [row.id for row in await world.documents(job) if row.state == "pending"]
    await world.replay(job, documents=(claims[0].document_id, unfinished))
    assert (await world.job(job)).counts == {"failed": 2, "pending": 2}
    [row] = [row for row in await world.documents(job) if row.id == claims[0].document_id]
    assert row.error_code == "went_wrong"


async def test_a_job_does_not_end_under_a_replay(world: World) -> None:
    """An end that was decided before the replay must not be written after it."""
    for _ in range(10):
        job = await world.submit(URLS)
        for claim in await world.scrape():
            await world.apply(world.failed(claim, "permanent"))
        await world.store.pool.execute("UPDATE jobs SET state = 'running' WHERE id = $1", job)
        await asyncio.gather(world.replay(job), world.sweep(), world.sweep())
        view = await world.job(job)
        assert (view.status, view.counts) == ("running", {"pending": 4})
        await world.cancel(job)


async def test_the_last_documents_of_a_job_end_it_once(world: World) -> None:
    jobs = [await world.submit(URLS) for _ in range(10)]
    claims = await world.scrape(40)
    await asyncio.gather(*(world.apply(world.failed(claim, "permanent")) for claim in claims))
    assert {(await world.job(job)).status for job in jobs} == {"failed"}
    assert world.types().count("job.failed") == 10


async def test_cancels_and_reports_cross_without_harm(world: World) -> None:
    jobs = [await world.submit([f"https://d{i}-{n}.org/" for i in range(20)]) for n in range(4)]
    claims = await world.scrape(80)
    reports = [world.apply(world.scraped(claim)) for claim in claims]
    beats = [renew(world.store, claims[i::5], LEASE_S, world.now) for i in range(5)]
    await asyncio.gather(*reports, *beats, *(world.cancel(job) for job in jobs))
    for job in jobs:
        view = await world.job(job)
        assert (view.status, view.counts) == ("cancelled", {"cancelled": 20})


async def test_counts_add_up_in_every_snapshot(world: World) -> None:
    job = await world.submit([f"https://d{i}.org/" for i in range(60)])
    working = True

    async def watch() -> int:
        looks = 0
        while working:
            view = await get_job(world.store, "alice", job)
            assert view is not None
            assert sum(view.counts.values()) == view.total == 60
            looks += 1
        return looks

    async def work() -> None:
        while claims := await world.scrape(5):
            await asyncio.gather(*(world.apply(world.failed(claim, "permanent")) for claim in claims))
            await world.sweep()

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(work() for _ in range(3)))
    working = False
    assert await watcher > 3


async def test_what_the_gateway_shows_is_the_callers_own(world: World) -> None:
    first = await world.submit(URLS[:1])
    await world.pass_all()
    world.after(1)
    second = await world.submit(URLS[1:], corpus="films")
    assert [job.id for job in await list_jobs(world.store, "alice")] == [second, first]
    for wanted, ids in (
        (JobFilter(status="completed"), [first]),
        (JobFilter(corpus="films"), [second]),
        (JobFilter(corpus="books", status="running"), []),
        (JobFilter(before=world.now), [first]),
        (JobFilter(since=world.now), [second]),
    ):
        assert [job.id for job in await list_jobs(world.store, "alice", wanted)] == ids
    assert [job.id for job in await list_jobs(world.store, "alice", after=(world.now, second))] == [first]
    assert await list_jobs(world.store, "bob") == []
    assert await get_job(world.store, "bob", first) is None
    assert await world.documents(first, caller="bob") == []
    corpora = await list_corpora(world.store, "alice")
    assert [(corpus.name, corpus.pages, corpus.chunks, corpus.tokens) for corpus in corpora] == [
        ("books", 1, 2, 7),
        ("films", 0, 0, 0),
    ]
    assert await get_corpus(world.store, "bob", "books") is None
    assert [await ready_depth(world.store, stage) for stage in ("scrape", "embed")] == [3, 0]


async def test_callers_may_name_their_corpora_alike(world: World) -> None:
    await asyncio.gather(*(world.submit(URLS, caller=caller) for caller in ("alice", "bob") * 5))
    assert await world.store.pool.fetchval("SELECT count(*) FROM corpora") == 2
