"""What only the inbox can keep from happening twice: tokens and states would let it pass."""

from uuid import uuid4

from shared.contracts.jobs import JobCancelRequested, JobReplayRequested, JobSubmitted
from shared.store.submit import submit_job
from tests.shared.store.world import World, ref

URL = "https://example.org/a"


async def fail(world: World) -> None:
    [claim] = await world.scrape(1)
    await world.apply(world.failed(claim, "permanent"))


async def test_a_replay_that_is_delivered_twice_replays_once(world: World) -> None:
    job = await world.submit([URL])
    await fail(world)
    wish = JobReplayRequested(job_id=job, caller_id="alice")
    assert len(await world.apply(wish, "the-same")) == 1
    await fail(world)
    assert await world.apply(wish, "the-same") == []
    assert (await world.job(job)).status == "failed"
    assert len(await world.apply(wish, "another")) == 1


async def test_a_late_copy_of_a_cancel_does_not_cancel_the_replay(world: World) -> None:
    job = await world.submit([URL, f"{URL}2"])
    await fail(world)
    wish = JobCancelRequested(job_id=job, caller_id="alice")
    await world.apply(wish, "the-same")
    await world.replay(job)
    assert await world.apply(wish, "the-same") == []
    assert (await world.job(job)).status == "running"


async def test_a_late_copy_of_a_submission_does_not_bring_a_deleted_corpus_back(world: World) -> None:
    payload = JobSubmitted(job_id=uuid4(), caller_id="alice", corpus="books", urls=ref("urls"), count=1)
    event = world.event(payload)
    assert len(await submit_job(world.store, event, payload, [URL], world.defaults, world.now)) == 1
    await world.store.fetch("DELETE FROM corpora")
    assert await submit_job(world.store, event, payload, [URL], world.defaults, world.now) == []
    assert await world.store.fetch("SELECT 1 FROM corpora") == []


async def test_a_report_that_still_fits_is_applied_once(world: World) -> None:
    """Tokens only grow, so this needs a row that was put back by hand, as from a backup."""
    await world.submit([URL])
    [claim] = await world.scrape()
    [before] = await world.store.fetch("SELECT token, lease_until FROM documents")
    assert len(await world.apply(world.scraped(claim), "the-same")) == 1
    put_back = "UPDATE documents SET state = 'scraping', token = $1, lease_until = $2"
    await world.store.fetch(put_back, before["token"], before["lease_until"])
    assert await world.apply(world.scraped(claim), "the-same") == []
    assert len(await world.apply(world.scraped(claim), "another")) == 1
