"""The index shows one whole version of a page at any moment."""

import asyncio
from datetime import timedelta

import pytest

from shared.errors import InvalidInput
from shared.store.claims import EmbedClaim
from shared.store.index import IndexedChunk, swap_chunks
from tests.shared.store.world import LEASE_S, World

URL = "https://example.org/a"


async def ready_to_embed(world: World, content: str) -> EmbedClaim:
    await world.submit([URL])
    [request] = await world.pass_scrape(content)
    await world.apply(world.chunked(request))
    [claim] = await world.embed()
    return claim


async def texts(world: World) -> list[str]:
    rows = await world.store.pool.fetch("SELECT text FROM chunks ORDER BY ordinal")
    return [row["text"] for row in rows]


async def test_new_chunks_replace_the_old_ones_with_the_pages_metadata(world: World) -> None:
    claim = await ready_to_embed(world, "old")
    assert await world.swap(claim, ["a", "b", "c"])
    await world.apply(world.embedded(claim))
    world.after(10)
    claim = await ready_to_embed(world, "new")
    assert await texts(world) == ["a", "b", "c"]
    assert await world.swap(claim, ["d"])
    assert await texts(world) == ["d"]
    page = await world.store.pool.fetchrow("SELECT * FROM pages")
    assert page is not None
    assert (page["url"], page["title"], page["document_id"]) == (URL, "A title", claim.document_id)
    assert (page["fetched_at"], page["chunks"], page["tokens"]) == (world.now, 2, 7)


async def test_doing_it_twice_is_doing_it_once(world: World) -> None:
    claim = await ready_to_embed(world, "text")
    assert await world.swap(claim, ["a", "b"])
    assert await world.swap(claim, ["a", "b"])
    assert await texts(world) == ["a", "b"]


async def test_vectors_arrive_as_they_were_sent(world: World) -> None:
    claim = await ready_to_embed(world, "text")
    vectors = ((0.25, -1.5, 3.0), (1e-3, 2.0, 0.0))
    chunks = [IndexedChunk(i, i, i + 1, 1, "x", vector) for i, vector in enumerate(vectors)]
    assert await swap_chunks(world.store, claim, chunks, world.now)
    stored = await world.store.pool.fetch("SELECT embedding::real[] AS vector FROM chunks ORDER BY ordinal")
    assert [tuple(row["vector"]) for row in stored] == [(0.25, -1.5, 3.0), (pytest.approx(1e-3), 2.0, 0.0)]


async def test_a_vector_of_another_dimension_is_refused_and_the_old_version_stays(world: World) -> None:
    claim = await ready_to_embed(world, "text")
    await world.swap(claim, ["a"])
    with pytest.raises(InvalidInput, match="3 dimensions"):
        await swap_chunks(world.store, claim, [IndexedChunk(0, 0, 1, 1, "x", (1.0, 2.0))], world.now)
    assert await texts(world) == ["a"]


async def test_who_lost_the_claim_writes_nothing(world: World) -> None:
    claim = await ready_to_embed(world, "text")
    world.after(LEASE_S)
    await world.sweep()
    assert not await world.swap(claim)
    [again] = await world.embed()
    assert not await world.swap(claim)
    assert await world.swap(again, ["a"])
    assert await texts(world) == ["a"]


async def test_an_older_fetch_never_overwrites_a_newer_one(world: World) -> None:
    old = await ready_to_embed(world, "old")
    world.after(1)
    new = await ready_to_embed(world, "new")
    assert await world.swap(new, ["new"])
    assert await world.swap(old, ["old"])
    assert await texts(world) == ["new"]
    for claim in (old, new):
        assert len(await world.apply(world.embedded(claim))) == 2


async def test_two_swaps_of_a_page_leave_one_version(world: World) -> None:
    for turn in range(5):
        first = await ready_to_embed(world, f"first {turn}")
        second = await ready_to_embed(world, f"second {turn}")
        await asyncio.gather(world.swap(first, ["a", "b"]), world.swap(second, ["c", "d", "e"]))
        assert await texts(world) in (["a", "b"], ["c", "d", "e"])
        await world.apply(world.embedded(first))
        await world.apply(world.embedded(second))
        world.now += timedelta(seconds=1)


async def test_a_reader_never_sees_half_a_page(world: World) -> None:
    claim = await ready_to_embed(world, "text")
    await world.swap(claim, ["old"] * 40)
    swapping = True

    async def read() -> set[tuple[str, int]]:
        seen = set()
        while swapping:
            found = await texts(world)
            seen.add((",".join(sorted(set(found))), len(found)))
        return seen

    reader = asyncio.create_task(read())
    for _ in range(10):
        await world.swap(claim, ["new"] * 60)
        await world.swap(claim, ["old"] * 40)
    swapping = False
    assert await reader <= {("old", 40), ("new", 60)}
