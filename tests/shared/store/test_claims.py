"""Who gets which document, when several callers and workers want theirs."""

import asyncio
import itertools
from collections import Counter

import pytest

from shared.store.claims import claim_scrape, release, void_leases
from shared.store.domains import (
    RobotsCopy,
    acquire_domain,
    get_robots,
    hold_domain,
    put_robots,
    set_domain_delay,
    slow_domain,
)
from shared.store.store import Store
from shared.store.submit import CorpusDefaults
from tests.shared.store.world import LEASE_S, World

POLITE = CorpusDefaults("a-model", 3, 250, 50, domain_delay_s=1.0)


def pages(domain: str, count: int) -> list[str]:
    return [f"https://{domain}/{i}" for i in range(count)]


async def test_eight_claimers_never_share_a_document(world: World) -> None:
    await world.submit([url for i in range(20) for url in pages(f"d{i}.org", 20)])
    taken: list[object] = []

    async def claimer() -> None:
        while claims := await world.scrape(7):
            taken.extend(claim.document_id for claim in claims)

    await asyncio.gather(*(claimer() for _ in range(8)))
    assert len(taken) == len(set(taken)) == 400


async def test_eight_polite_claimers_take_one_document_of_a_domain(world: World) -> None:
    world.defaults = POLITE
    await world.submit([url for i in range(10) for url in pages(f"d{i}.org", 20)])
    claims = [claim for batch in await asyncio.gather(*(world.scrape(5) for _ in range(8))) for claim in batch]
    claims += await world.scrape(50)
    assert Counter(claim.domain for claim in claims) == {f"d{i}.org": 1 for i in range(10)}
    assert await world.scrape(50) == []
    world.after(1)
    assert len(await world.scrape(50)) == 10


async def test_a_caller_with_one_page_is_not_held_up_by_two_thousand(world: World) -> None:
    await world.submit([url for i in range(100) for url in pages(f"d{i}.org", 20)], caller="alice")
    await world.scrape(16)
    world.after(1)
    await world.submit(["https://z.org/"], caller="bob")
    assert "bob" in {claim.caller_id for claim in await world.scrape(4)}


async def test_a_caller_is_served_in_turn_on_a_domain_that_others_crowd(world: World) -> None:
    world.defaults = POLITE
    await world.submit(pages("d.org", 2000), caller="alice")
    served = [claim.caller_id for claim in await world.scrape(16)]
    await world.submit(pages("d.org", 3), caller="bob")
    for _ in range(5):
        world.after(1)
        claims = await world.scrape(16)
        served += [claim.caller_id for claim in claims]
        await release(world.store, claims, world.now, not_before=world.now.replace(year=2027))
    assert served == ["alice", "bob", "alice", "bob", "alice", "bob"]


async def test_slots_are_shared_by_what_each_caller_has_in_hand(world: World) -> None:
    await world.submit(pages("a.org", 50), caller="alice")
    await world.scrape(10)
    await world.submit(pages("b.org", 50), caller="bob")
    claims = await world.scrape(10)
    assert Counter(claim.caller_id for claim in claims) == {"bob": 10}
    claims = await world.scrape(10)
    assert Counter(claim.caller_id for claim in claims) == {"alice": 5, "bob": 5}


async def test_many_callers_share_a_small_claim_over_time(world: World) -> None:
    for i in range(40):
        await world.submit(pages(f"d{i}.org", 5), caller=f"{i * 1_000_003 % 256:02x}-{i}")
    served: Counter[str] = Counter()
    for _ in range(40):
        world.after(0.37)
        [claim] = await world.scrape(1)
        served[claim.caller_id] += 1
    assert max(served.values()) <= 3


async def test_turns_are_weighted(world: World) -> None:
    await world.submit(pages("a.org", 100), caller="alice", weight=4)
    await world.submit(pages("b.org", 100), caller="bob")
    served = Counter(claim.caller_id for claim in await world.scrape(50))
    assert served["alice"] == pytest.approx(40, abs=2)
    assert served["bob"] == 50 - served["alice"]


async def test_embedding_turns_are_weighted(world: World) -> None:
    await world.submit(pages("a.org", 40), caller="alice", weight=4)
    await world.submit(pages("b.org", 40), caller="bob")
    for request in await world.pass_scrape():
        await world.apply(world.chunked(request))
    served = Counter(claim.caller_id for claim in await world.embed(30))
    assert served["alice"] == pytest.approx(24, abs=2)


async def test_a_weight_is_the_newest_submission_s(world: World) -> None:
    await world.submit(pages("a.org", 1), caller="alice", weight=9)
    await world.submit(pages("a.org", 60), caller="alice")
    await world.submit(pages("b.org", 60), caller="bob")
    served = Counter(claim.caller_id for claim in await world.scrape(40))
    assert served["alice"] == pytest.approx(20, abs=2)


@pytest.mark.parametrize("weight", [1, 4])
async def test_ten_thousand_queued_documents_hold_up_nobody(world: World, weight: int) -> None:
    """Two workers that claim again whenever some of their pages are done: a new caller is in the very next claims."""
    await world.submit(pages("a.org", 10_000), caller="alice", weight=weight)
    busy = [await world.scrape(16), await world.scrape(16)]
    waits = []
    for n in range(10):
        await world.submit([f"https://b.org/{n}"], caller="bob")
        for waited in itertools.count(1):
            done = busy[waited % 2]
            for claim in done[:8]:
                await world.apply(world.failed(claim, "permanent"))
            world.after(0.1)
            fresh = await world.scrape(8)
            busy[waited % 2] = done[8:] + fresh
            if "bob" in {claim.caller_id for claim in fresh}:
                break
        waits.append(waited)
    assert max(waits) == 1


async def test_no_weight_starves_another_even_at_one_page_at_a_time(world: World) -> None:
    """The worst case: a single place, so that nothing in hand ever tells who had many turns."""
    await world.submit(pages("a.org", 1000), caller="alice", weight=10)
    await world.submit(pages("b.org", 100), caller="bob")
    turns = []
    for _ in range(150):
        world.after(0.37)
        [claim] = await world.scrape(1)
        turns.append(claim.caller_id)
        await world.apply(world.failed(claim, "permanent"))
    bobs = [turn for turn, caller in enumerate(turns) if caller == "bob"]
    assert len(bobs) >= 4, "about one turn in twenty is what the lighter of 10 and 1 gets"
    assert max(b - a for a, b in itertools.pairwise([-1, *bobs, 150])) < 80


async def test_no_document_before_its_time(world: World) -> None:
    await world.submit(pages("d.org", 2))
    claims = await world.scrape(1)
    await release(world.store, claims, world.now, not_before=world.now.replace(hour=1))
    assert len(await world.scrape()) == 1
    world.after(3600)
    assert len(await world.scrape()) == 1


async def test_a_suspect_is_claimed_alone_and_only_by_the_idle(world: World) -> None:
    await world.submit(pages("d.org", 3))
    [suspect] = await world.scrape(1)
    world.after(LEASE_S)
    await world.sweep()
    assert suspect.document_id not in {claim.document_id for claim in await world.scrape(2, suspects=False)}
    [claim] = await world.scrape(10)
    assert (claim.document_id, claim.deaths) == (suspect.document_id, 1)


async def test_a_document_that_kills_its_worker_fails_and_its_neighbours_survive(world: World) -> None:
    job = await world.submit(pages("d.org", 4))
    killer = (await world.documents(job))[2].id
    for _ in range(20):
        claims = await world.scrape(4)
        if killer in {claim.document_id for claim in claims}:
            world.after(LEASE_S)
            await world.sweep()
            continue
        for claim in claims:
            await world.apply(world.failed(claim, "permanent"))
        if (await world.job(job)).status != "running":
            break
    codes = {row.id: row.error_code for row in await world.documents(job)}
    assert codes.pop(killer) == "worker_died"
    assert set(codes.values()) == {"went_wrong"}


async def test_embedding_fills_a_batch_by_tokens_across_documents(world: World) -> None:
    await world.submit(pages("d.org", 6))
    for tokens, request in zip((40, 40, 40, 500, 10, 10), await world.pass_scrape(), strict=True):
        await world.apply(world.chunked(request, tokens=tokens))
        world.after(0.001)
    assert [claim.tokens for claim in await world.embed(10, 100)] == [40, 40]
    assert [claim.tokens for claim in await world.embed(10, 100)] == [40]
    assert [claim.tokens for claim in await world.embed(10, 100)] == [500]
    assert [claim.tokens for claim in await world.embed(1, 100)] == [10]


async def test_eight_embedders_never_share_a_document(world: World) -> None:
    await world.submit(pages("d.org", 60))
    for request in await world.pass_scrape():
        await world.apply(world.chunked(request))
    claims = [claim for batch in await asyncio.gather(*(world.embed(9) for _ in range(8))) for claim in batch]
    claims += await world.embed(100)
    assert len({claim.document_id for claim in claims}) == len(claims) == 60


async def test_embedding_is_fair_between_callers(world: World) -> None:
    await world.submit(pages("a.org", 30), caller="alice")
    await world.submit(pages("b.org", 1), caller="bob")
    for request in await world.pass_scrape():
        await world.apply(world.chunked(request))
    assert "bob" in {claim.caller_id for claim in await world.embed(2)}


async def test_a_domains_turn_is_taken_once(world: World) -> None:
    store, now = world.store, world.now
    waits = await asyncio.gather(*(acquire_domain(store, "d.org", now, delay_s=2) for _ in range(6)))
    assert sorted(waits)[:2] == [0, 2]
    await set_domain_delay(store, "d.org", 10, now)
    assert await acquire_domain(store, "d.org", now, delay_s=2) == 10
    world.after(10)
    assert await acquire_domain(store, "d.org", world.now, delay_s=2) == 0
    await hold_domain(store, "d.org", world.now.replace(hour=5))
    await hold_domain(store, "d.org", world.now)
    assert await acquire_domain(store, "d.org", world.now, delay_s=2) > 3600


async def test_robots_keep_the_newest_copy(store: Store, world: World) -> None:
    assert await get_robots(store, "https://d.org") is None
    newest = RobotsCopy(200, b"new", world.now.replace(hour=2))
    await put_robots(store, "https://d.org", newest)
    await put_robots(store, "https://d.org", RobotsCopy(500, b"", world.now))
    assert await get_robots(store, "https://d.org") == newest


async def test_a_limit_of_nothing_claims_nothing(world: World) -> None:
    await world.submit(pages("d.org", 1))
    assert await claim_scrape(world.store, 0, LEASE_S, world.now, suspects=False) == []


async def test_a_domain_that_refuses_is_slowed_down_and_recovers_bit_by_bit(world: World) -> None:
    store = world.store
    await world.submit(pages("d.org", 30))

    async def pace() -> float:
        return float((await store.fetch("SELECT pace_s FROM domains WHERE domain = 'd.org'"))[0][0])

    assert len(await world.scrape(2)) == 2
    assert await slow_domain(store, "d.org", world.now, None) == 2
    assert await slow_domain(store, "d.org", world.now, 7.0) == 7  # was under way with the first: slows no further
    assert await pace() == 2
    assert await world.scrape(5) == []
    world.after(7)
    assert len(await world.scrape(5)) == 1
    assert await slow_domain(store, "d.org", world.now, None) == pytest.approx(3.2)
    paces = []
    for _ in range(20):
        world.after(4)
        assert await world.scrape(1)
        paces.append(await pace())
    assert paces == sorted(paces, reverse=True)
    assert paces[0] == pytest.approx(2.56)
    assert paces[-1] == 0
    assert len(set(paces)) > 10


async def test_a_caller_sees_what_a_document_waits_for_and_until_when(world: World) -> None:
    world.defaults = POLITE
    job = await world.submit([*pages("plain.org", 2), *pages("slow.org", 2), *pages("asks.org", 2)])
    await world.scrape(3)
    await set_domain_delay(world.store, "asks.org", 40, world.now)
    await slow_domain(world.store, "slow.org", world.now, 20)
    waits = {row.url.split("/")[2]: row.wait(world.now) for row in await world.documents(job) if row.state == "pending"}
    waiting = {
        site: (wait.reason, wait.until and (wait.until - world.now).total_seconds())
        for site, wait in waits.items()
        if wait
    }
    assert waiting == {
        "plain.org": ("domain", 1.0),
        "slow.org": ("domain_slowed", 20.0),
        "asks.org": ("crawl_delay", 40.0),
    }


async def test_a_platform_that_starts_again_waits_for_nobody(world: World) -> None:
    job = await world.submit(["https://a.org/", "https://b.org/"])
    held = await world.scrape()
    await void_leases(world.store, world.now)
    again = await world.scrape()
    assert {claim.document_id for claim in again} == {claim.document_id for claim in held}
    assert all(claim.deaths == claim.attempt == 0 for claim in again)
    assert await world.apply(world.scraped(held[0])) == [], "whoever comes back from the dead is too late"
    assert (await world.job(job)).counts == {"scraping": 2}
