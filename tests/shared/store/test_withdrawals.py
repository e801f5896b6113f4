"""A page that asks not to be found is found no more, whatever else is under way."""

from uuid import UUID

import pytest

from shared.contracts.stages import FailureKind, StageFailed
from shared.store.claims import ScrapeClaim
from shared.store.transitions import apply
from tests.shared.store.world import World

URL = "https://example.org/a"
OTHER = "https://example.org/b"


async def shown(world: World) -> list[str]:
    """URLs of which search has chunks."""
    rows = await world.store.pool.fetch(
        "SELECT DISTINCT p.url FROM chunks c JOIN pages p ON p.id = c.page_id ORDER BY 1"
    )
    return [row["url"] for row in rows]


async def index(world: World, *urls: str, corpus: str = "books") -> UUID:
    job = await world.submit(urls, corpus=corpus)
    await world.pass_all()
    world.after(10)
    return job


async def fail(world: World, claim: ScrapeClaim, code: str, kind: FailureKind = "permanent") -> None:
    await world.apply(world.failed(claim, kind).model_copy(update={"code": code}))


async def refetch(world: World, url: str = URL) -> ScrapeClaim:
    await world.submit([url])
    [claim] = await world.scrape()
    return claim


@pytest.mark.parametrize("code", ["page_noindex", "page_noarchive"])
async def test_it_and_it_alone_goes_with_the_document_that_saw_it(world: World, code: str) -> None:
    await index(world, URL, OTHER)
    await index(world, URL, corpus="films")
    await fail(world, await refetch(world), code)
    assert await shown(world) == [URL, OTHER], "one of another corpus, and another of this one"
    assert await world.store.pool.fetchval("SELECT count(*) FROM pages") == 2
    held = await world.store.pool.fetch("SELECT pages, chunks FROM corpus_views ORDER BY name")
    assert [(row["pages"], row["chunks"]) for row in held] == [(1, 2), (1, 2)]


@pytest.mark.parametrize(
    ("code", "kind"), [("robots_disallowed", "permanent"), ("http_gone", "permanent"), ("page_noindex", "transient")]
)
async def test_no_other_failure_takes_a_page_away(world: World, code: str, kind: FailureKind) -> None:
    await index(world, URL)
    await fail(world, await refetch(world), code, kind)
    assert await shown(world) == [URL]


async def test_a_late_or_doubled_word_changes_nothing(world: World) -> None:
    claim = await refetch(world)
    await fail(world, claim, "page_noindex")
    world.after(10)
    await index(world, URL)
    await fail(world, claim, "page_noindex")
    assert await shown(world) == [URL]


async def test_what_was_fetched_before_is_not_shown_after(world: World) -> None:
    await world.submit([URL])
    [request] = await world.pass_scrape()
    await world.apply(world.chunked(request))
    [slow] = await world.embed()
    world.after(1)
    await fail(world, await refetch(world), "page_noindex")
    assert await world.swap(slow), "the claim was its own"
    assert await world.apply(world.embedded(slow))
    assert await shown(world) == []


async def test_what_was_fetched_later_stays(world: World) -> None:
    claim = await refetch(world)
    said = world.event(world.failed(claim, "permanent").model_copy(update={"code": "page_noindex"}))
    world.after(10)
    await index(world, URL)
    await apply(world.store, said, StageFailed.model_validate(said.data), world.now, world.policy)
    assert await shown(world) == [URL]


async def test_a_page_that_may_be_found_again_is(world: World) -> None:
    await index(world, URL)
    await fail(world, await refetch(world), "page_noindex")
    world.after(10)
    claim = await refetch(world)
    assert (claim.etag, claim.last_modified) == (None, None), "nothing is left that could be unchanged"
    [request] = await world.apply(world.scraped(claim))
    await world.apply(world.chunked(request))
    [embedding] = await world.embed()
    await world.swap(embedding)
    await world.apply(world.embedded(embedding))
    assert await shown(world) == [URL]
    assert await world.store.pool.fetch("SELECT * FROM withdrawals") == []
