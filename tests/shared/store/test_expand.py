"""Sitemaps give way to what they list."""

from uuid import UUID

import pytest

from shared.contracts.documents import SitemapContent
from shared.contracts.jobs import JobSubmitted, SitemapOptions
from shared.contracts.stages import SitemapRead
from shared.events.event import CloudEvent
from shared.store.claims import ScrapeClaim
from shared.store.expand import MAX_SITEMAPS, expand
from shared.store.submit import submit_job
from tests.shared.store.world import DEFAULTS, World, ref

SITEMAP = "https://example.org/sitemap.xml"
PAGES = tuple(f"https://example.org/{n}" for n in range(5))


async def submit(world: World, limit: int = 100) -> UUID:
    job_id = UUID(int=len(world.sent) + 1)
    payload = JobSubmitted(
        job_id=job_id,
        caller_id="alice",
        corpus="books",
        urls=ref("urls"),
        count=1,
        sitemap=SitemapOptions(limit=limit, include=("/docs/*",)),
    )
    await world.send(await submit_job(world.store, world.event(payload), payload, [SITEMAP], DEFAULTS, world.now))
    return job_id


async def read(
    world: World, claim: ScrapeClaim, pages: tuple[str, ...] = (), sitemaps: tuple[str, ...] = ()
) -> list[CloudEvent]:
    payload = SitemapRead(
        job_id=claim.job_id,
        document_id=claim.document_id,
        token=claim.token,
        found=ref("found"),
        pages=len(pages),
        sitemaps=len(sitemaps),
    )
    event = world.event(payload, f"00000000-0000-4000-8000-{claim.document_id.hex[:12]}")
    content = SitemapContent(pages=pages, sitemaps=sitemaps)
    events = await expand(world.store, event, payload, content, 0.0, world.now)
    await world.send(events)
    return events


async def test_a_sitemap_is_claimed_with_what_the_job_wants_of_it(world: World) -> None:
    await submit(world)
    [claim] = await world.scrape()
    assert (claim.url, claim.sitemap) == (SITEMAP, SitemapOptions(limit=100, include=("/docs/*",)))
    await world.submit(["https://example.org/page"])
    [page] = await world.scrape()
    assert page.sitemap is None


async def test_pages_take_its_place_and_the_job_ends_with_them(world: World) -> None:
    job = await submit(world)
    [claim] = await world.scrape()
    [hint] = await read(world, claim, PAGES)
    assert hint.type == "dev.sluice.scrape.requested.v1"
    view = await world.job(job)
    assert (view.total, dict(view.counts)) == (5, {"pending": 5})
    assert [row.url for row in await world.documents(job)] == list(PAGES)
    await world.pass_all()
    assert (await world.job(job)).status == "completed"


async def test_an_index_is_followed_and_what_two_list_is_taken_once(world: World) -> None:
    job = await submit(world)
    [claim] = await world.scrape()
    await read(world, claim, sitemaps=("https://example.org/s1.xml", "https://example.org/s2.xml"))
    first, second = await world.scrape()
    await read(world, first, PAGES[:3])
    await read(world, second, PAGES[2:])
    view = await world.job(job)
    assert (view.total, dict(view.counts)) == (5, {"pending": 5})
    assert len({row.ordinal for row in await world.documents(job)}) == 5


async def test_no_more_pages_are_taken_than_were_asked_for(world: World) -> None:
    job = await submit(world, limit=3)
    [claim] = await world.scrape()
    await read(world, claim, PAGES[:1], ("https://example.org/s1.xml", "https://example.org/s2.xml"))
    claims = await world.scrape(10)
    sitemap = next(claim for claim in claims if claim.sitemap)
    await read(world, sitemap, PAGES)
    view = await world.job(job)
    assert view.total == sum(view.counts.values())
    pages = [row for row in await world.documents(job) if not row.is_sitemap]
    assert len(pages) == 3


async def test_the_same_report_again_and_a_late_one_change_nothing(world: World) -> None:
    job = await submit(world)
    [claim] = await world.scrape()
    await read(world, claim, PAGES[:2])
    assert await read(world, claim, PAGES) == []
    assert (await world.job(job)).total == 2


async def test_a_report_without_its_claim_changes_nothing(world: World) -> None:
    job = await submit(world)
    [claim] = await world.scrape()
    await world.cancel(job)
    assert await read(world, claim, PAGES) == []
    assert dict((await world.job(job)).counts) == {"cancelled": 1}


async def test_a_job_that_found_no_page_fails_and_says_so(world: World) -> None:
    job = await submit(world)
    [claim] = await world.scrape()
    await read(world, claim)
    [row] = await world.documents(job)
    assert (row.state, row.error_code) == ("failed", "sitemap_empty")
    assert (await world.job(job)).status == "failed"


async def test_an_empty_one_beside_others_is_no_failure(world: World) -> None:
    job = await submit(world)
    [claim] = await world.scrape()
    await read(world, claim, sitemaps=("https://example.org/s1.xml", "https://example.org/s2.xml"))
    first, second = await world.scrape()
    await read(world, first, PAGES[:1])
    await read(world, second)
    await world.pass_all()
    assert ((await world.job(job)).status, (await world.job(job)).total) == ("completed", 1)


@pytest.mark.parametrize("width", [2, MAX_SITEMAPS])
async def test_sitemaps_that_list_each_other_come_to_an_end(world: World, width: int) -> None:
    job = await submit(world)
    ring = tuple(f"https://example.org/s{n}.xml" for n in range(width))
    read_so_far = 0
    while claims := [claim for claim in await world.scrape(50) if claim.sitemap]:
        for claim in claims:
            await read(world, claim, (), ring)
            read_so_far += 1
        assert read_so_far <= MAX_SITEMAPS
    assert (await world.job(job)).status == "failed"
