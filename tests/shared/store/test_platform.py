"""How the platform stands, by what jobs, workers and time have made of it."""

from datetime import UTC, datetime

from shared.contracts.stages import ChunkRequested
from shared.pipeline.states import State
from shared.store.audit import add_dead_letter
from shared.store.domains import hold_domain, slow_domain
from shared.store.platform import Standing, standing
from shared.store.transitions import apply
from tests.shared.store.world import LEASE_S, World


async def look(world: World) -> Standing:
    return await standing(world.store, world.now)


async def test_an_empty_platform_has_nothing_waiting(world: World) -> None:
    found = await look(world)
    assert set(found.documents.values()) == {0}
    assert (found.ready, found.leased) == ({"scrape": 0, "embed": 0}, {"scrape": 0, "embed": 0})
    assert found.oldest_ready_s == {"scrape": 0, "chunk": 0, "embed": 0}
    assert (found.jobs, found.oldest_job_s) == ({"accepted": 0, "running": 0}, 0)
    assert (found.outbox, found.outbox_s, found.dead_letters, found.webhooks) == (0, 0, 0, 0)
    assert (found.longest_waits_s, found.overdue) == ([], False)


async def test_documents_are_counted_where_they_stand_until_their_job_ends(world: World) -> None:
    await world.submit([f"https://a{n}.example.org/" for n in range(4)])
    assert (await look(world)).jobs == {"accepted": 1, "running": 0}
    first, second = await world.scrape(2)
    found = await look(world)
    assert (found.documents[State.PENDING], found.documents[State.SCRAPING]) == (2, 2)
    assert (found.ready["scrape"], found.leased["scrape"]) == (2, 2)
    assert found.jobs == {"accepted": 0, "running": 1}

    await world.apply(world.failed(second, "permanent"))
    [asked] = [event for event in await world.apply(world.scraped(first)) if event.type == ChunkRequested.event_type]
    assert (await look(world)).documents[State.CHUNKING] == 1
    await world.apply(world.chunked(asked))
    found = await look(world)
    assert (found.documents[State.EMBEDDING], found.documents[State.FAILED]) == (1, 1)
    assert (found.ready["embed"], found.leased["embed"]) == (1, 0)
    [claim] = await world.embed()
    found = await look(world)
    assert (found.documents[State.EMBEDDING], found.ready["embed"], found.leased["embed"]) == (1, 0, 1)

    await world.swap(claim)
    await world.apply(world.embedded(claim))
    for rest in await world.scrape():
        await world.apply(world.failed(rest, "permanent"))
    found = await look(world)
    assert set(found.documents.values()) == {0}
    assert found.jobs == {"accepted": 0, "running": 0}


async def test_the_oldest_ready_document_ages_until_somebody_takes_it(world: World) -> None:
    await world.submit(["https://a.example.org/"])
    world.after(30)
    await world.submit(["https://b.example.org/"], caller="bob")
    world.after(12)
    found = await look(world)
    assert found.oldest_ready_s["scrape"] == 42
    assert found.oldest_job_s == 42
    await world.scrape()
    assert (await look(world)).oldest_ready_s["scrape"] == 0


async def test_a_document_that_must_wait_is_not_ready_yet(world: World) -> None:
    await world.submit(["https://a.example.org/"])
    [claim] = await world.scrape()
    await world.apply(world.failed(claim))
    world.after(0.001)
    found = await look(world)
    assert (found.ready["scrape"], found.oldest_ready_s["scrape"]) == (1, 0)
    world.after(600)
    assert 300 < (await look(world)).oldest_ready_s["scrape"] <= 600


async def test_domains_that_must_be_left_alone_are_counted_by_why_and_never_named(world: World) -> None:
    hosts = [f"d{n}.example.org" for n in range(8)]
    await world.submit([f"https://{host}/" for host in hosts])
    await world.submit([f"https://{hosts[0]}/again"], caller="bob")
    for wait_s, host in enumerate(hosts[:7], start=1):
        await hold_domain(world.store, host, datetime.fromtimestamp(world.now.timestamp() + 10 * wait_s, UTC))
    await slow_domain(world.store, hosts[7], world.now, 200.0)
    found = await look(world)
    assert found.waiting_domains == {"domain": 7, "domain_slowed": 1, "crawl_delay": 0}
    assert found.longest_waits_s == [200, 70, 60, 50, 40]
    assert found.oldest_ready_s["scrape"] == 0
    world.after(15)
    found = await look(world)
    assert found.waiting_domains["domain"] == 6
    assert found.oldest_ready_s["scrape"] == 5, "its domain has been open for so long"


async def test_a_document_that_was_in_hand_when_a_worker_died_is_ready_too(world: World) -> None:
    await world.submit(["https://a.example.org/"])
    await world.scrape()
    world.after(LEASE_S)
    await world.sweep()
    world.after(9)
    assert (await look(world)).oldest_ready_s["scrape"] == 9


async def test_chunks_that_nobody_sent_are_overdue_after_their_time(world: World) -> None:
    await world.submit(["https://a.example.org/"])
    [claim] = await world.scrape()
    await world.apply(world.scraped(claim))
    assert (await look(world)).oldest_ready_s["chunk"] == 0
    world.after(3600)
    found = await look(world)
    assert 0 < found.oldest_ready_s["chunk"] < 3600
    assert found.overdue


async def test_the_outbox_lags_while_nothing_is_published(world: World) -> None:
    await world.submit(["https://a.example.org/"])
    [claim] = await world.scrape()
    event, payload = world.event(world.failed(claim, "permanent")), world.failed(claim, "permanent")
    await apply(world.store, event, payload, world.now, world.policy)
    found = await look(world)
    assert (found.outbox, found.outbox_s) == (1, 0), "the end of the job, on its way"
    world.after(3600)
    found = await look(world)
    assert found.outbox == 1
    assert 3000 < found.outbox_s < 3600
    await world.sweep()
    assert (await look(world)).outbox == 0


async def test_dead_letters_are_counted(world: World) -> None:
    await world.submit(["https://a.example.org/"])
    [claim] = await world.scrape()
    await add_dead_letter(world.store, world.event(world.failed(claim)), world.now, destination=None, status=503)
    assert (await look(world)).dead_letters == 1
