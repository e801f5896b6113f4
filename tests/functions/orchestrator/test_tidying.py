"""Objects that nothing refers to go, and none that is just being referred to again."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from obstore.store import LocalStore

from functions.orchestrator.tidying import Tidier
from shared.contracts.payload import ObjectRef
from shared.contracts.stages import DocumentScraped
from shared.events.event import CloudEvent
from shared.objects import ObjectStore
from shared.store.claims import ScrapeClaim
from shared.store.store import Store
from shared.store.transitions import apply
from tests.shared.store.world import World

KEEP = timedelta(hours=24)
Hook = Callable[[], Awaitable[None]]


async def nothing() -> None:
    pass


class Watched(ObjectStore):
    """Does something of ours just before it looks, or deletes."""

    before_looking: Hook = staticmethod(nothing)
    before_deleting: Hook = staticmethod(nothing)

    async def stored_at(self, key: str) -> datetime | None:
        await self.before_looking()
        return await super().stored_at(key)

    async def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        if wanted:
            await self.before_deleting()
        await super().delete(wanted)


@dataclass
class House:
    """A platform's database and object store, with everything in them as old as a test says."""

    world: World
    folder: Path
    objects: ObjectStore
    watched: Watched

    async def put(self, corpus_id: UUID, content: str, kind: str = "text", *, old: bool = True) -> ObjectRef:
        ref = await self.objects.put(corpus_id, kind, content.encode())
        if old:
            self.age(ref)
        return ref

    def age(self, ref: ObjectRef) -> None:
        yesterday = (datetime.now(UTC) - KEEP - timedelta(minutes=1)).timestamp()
        os.utime(self.folder / ref.key, (yesterday, yesterday))

    def has(self, ref: ObjectRef) -> bool:
        return (self.folder / ref.key).exists()

    async def claim(self, url: str = "https://example.org/a") -> ScrapeClaim:
        await self.world.submit([url])
        return await self.claim_again()

    async def claim_again(self) -> ScrapeClaim:
        self.world.now = datetime.now(UTC)
        [claim] = await self.world.scrape(1)
        return claim

    async def report(self, claim: ScrapeClaim, ref: ObjectRef) -> list[CloudEvent]:
        payload = self.world.scraped(claim).model_copy(update={"text": ref})
        assert isinstance(payload, DocumentScraped)
        return await apply(
            self.world.store, self.world.event(payload), payload, datetime.now(UTC), self.world.policy, self._stored
        )

    async def _stored(self, key: str) -> bool:
        return await self.objects.stored_at(key) is not None

    async def tidy(self) -> None:
        await Tidier(self.world.store, self.watched, KEEP, longest_s=60).tidy(datetime.now(UTC))

    async def state(self, claim: ScrapeClaim) -> tuple[str, str | None]:
        row = await self.world.store.fetch_row(
            "SELECT state, error_code FROM documents WHERE id = $1", claim.document_id
        )
        assert row is not None
        return row["state"], row["error_code"]


@pytest.fixture
def house(store: Store, tmp_path: Path) -> House:
    local = LocalStore(tmp_path)
    return House(World(store, now=datetime.now(UTC)), tmp_path, ObjectStore(local), Watched(local))


async def test_what_nothing_refers_to_goes_when_it_is_old(house: House) -> None:
    claim = await house.claim()
    lost, chunks = await house.put(claim.corpus_id, "lost"), await house.put(claim.corpus_id, "[]", "chunks")
    fresh = await house.put(claim.corpus_id, "fresh", old=False)
    await house.tidy()
    assert (house.has(lost), house.has(chunks), house.has(fresh)) == (False, False, True)


async def test_so_does_what_belonged_to_a_corpus_that_is_gone_and_a_list_of_urls(house: House) -> None:
    text, urls = await house.put(uuid4(), "text"), await house.put(uuid4(), "[]", "urls")
    young = await house.put(uuid4(), "[1]", "urls", old=False)
    await house.tidy()
    assert (house.has(text), house.has(urls), house.has(young)) == (False, False, True)


@pytest.mark.parametrize("state", ["scraping", "chunking", "embedding", "failed"])
async def test_what_a_document_still_needs_stays(house: House, state: str) -> None:
    claim = await house.claim()
    text = await house.put(claim.corpus_id, "text")
    chunks = await house.put(claim.corpus_id, "[]", "chunks")
    await house.world.store.fetch(
        "UPDATE documents SET state = $2, lease_until = NULL, text_key = $3, chunks_key = $4 WHERE id = $1",
        claim.document_id,
        state,
        text.key,
        chunks.key,
    )
    await house.tidy()
    assert (house.has(text), house.has(chunks)) == (True, True)


async def test_of_an_indexed_page_the_text_stays_and_the_list_of_chunks_goes(house: House) -> None:
    claim = await house.claim()
    text = await house.put(claim.corpus_id, "text")
    [request] = await house.report(claim, text)
    chunks = await house.put(claim.corpus_id, "[]", "chunks")
    await house.world.apply(house.world.chunked(request).model_copy(update={"chunks": chunks}))
    house.world.now = datetime.now(UTC)
    [embedding] = await house.world.embed()
    assert await house.world.swap(embedding)
    await house.world.apply(house.world.embedded(embedding))
    await house.tidy()
    assert (house.has(text), house.has(chunks)) == (True, False)


async def test_stored_again_before_the_look_it_stays(house: House) -> None:
    claim = await house.claim()
    ref = await house.put(claim.corpus_id, "again")

    async def store_again() -> None:
        await house.put(claim.corpus_id, "again", old=False)

    house.watched.before_looking = store_again
    await house.tidy()
    assert house.has(ref)
    assert [event.type for event in await house.report(claim, ref)] == ["dev.sluice.chunk.requested.v1"]
    assert await house.world.store.fetch("SELECT 1 FROM removals") == []


async def test_stored_again_between_look_and_removal_it_is_made_once_more(house: House) -> None:
    claim = await house.claim()
    ref = await house.put(claim.corpus_id, "again")
    reports: list[asyncio.Task[list[CloudEvent]]] = []

    async def store_and_report() -> None:
        await house.put(claim.corpus_id, "again", old=False)
        reports.append(asyncio.create_task(house.report(claim, ref)))
        await asyncio.sleep(0.2)
        assert not reports[0].done(), "the reference waits until the removal has ended"

    house.watched.before_deleting = store_and_report
    await house.tidy()
    assert await reports[0] == []
    assert not house.has(ref)
    assert await house.state(claim) == ("pending", "object_removed")
    second = await house.claim_again()
    assert second.attempt == 0, "it costs none of the document's tries"
    await house.put(claim.corpus_id, "again", old=False)
    assert len(await house.report(second, ref)) == 1
    assert await house.state(claim) == ("chunking", "object_removed")


async def test_nobody_else_is_told_that_a_removed_object_is_there(house: House) -> None:
    first = await house.claim("https://example.org/a")
    second = await house.claim("https://example.org/b")
    ref = await house.put(first.corpus_id, "twice")
    await house.tidy()
    for claim in (first, second):
        assert await house.report(claim, ref) == []
        assert await house.state(claim) == ("pending", "object_removed")


async def test_whoever_wins_no_document_refers_to_what_is_gone(house: House) -> None:
    outcomes = set()
    for n in range(40):
        claim = await house.claim(f"https://example.org/{n}")
        ref = await house.put(claim.corpus_id, f"text {n}")

        async def stage(claim: ScrapeClaim = claim, n: int = n) -> None:
            await asyncio.sleep(random.random() * 0.02)
            await house.report(claim, await house.put(claim.corpus_id, f"text {n}", old=False))

        await asyncio.gather(house.tidy(), stage())
        state, _ = await house.state(claim)
        assert house.has(ref) if state == "chunking" else state == "pending"
        outcomes.add(state)
        await house.world.store.fetch("UPDATE documents SET state = 'cancelled', lease_until = NULL")
    assert "chunking" in outcomes


async def test_a_run_that_takes_too_long_is_cut_off_and_harms_nothing(house: House) -> None:
    claim = await house.claim()
    ref = await house.put(claim.corpus_id, "slow")

    async def hang() -> None:
        await asyncio.sleep(60)

    house.watched.before_deleting = hang
    await Tidier(house.world.store, house.watched, KEEP, longest_s=0.3).tidy(datetime.now(UTC))
    assert len(await house.report(claim, ref)) == 1, "it is marked, but there"
    assert house.has(ref)
