"""What a wake-up does: claims documents, scrapes them side by side, reports each as it ends."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from ssl import SSLContext

import httpx

from functions.scrape.directives import check
from functions.scrape.measures import MeasuredFetcher, MeasuredPace, MeasuredParser
from functions.scrape.moments import open_moments
from functions.scrape.outcome import document_scraped, sitemap_read
from functions.scrape.pace import Pace
from functions.scrape.parsing import living_parser
from functions.scrape.robots import Robots
from functions.scrape.scraping import Postponed, Scraper, Target
from functions.scrape.selection import wanted
from functions.scrape.settings import FetchSettings, JobSettings
from functions.scrape.shared_pace import PlannedPace, StoreShelf
from shared.contracts.costs import StageReport
from shared.contracts.documents import SitemapContent
from shared.contracts.jobs import SitemapOptions
from shared.outbound.network import open_client
from shared.publish.sink import OpenSink
from shared.runtime.worker_desk import Saturated, WorkerDesk, open_worker_desk, outages_are_ours, run_stage
from shared.settings import Environment
from shared.store.claims import ScrapeClaim, claim_scrape
from shared.tally import current
from shared.workqueue.drain import DrainReport

SOURCE = "/functions/scrape"


def run(slot: int) -> None:
    """The RQ task, in a process forked for it."""
    env = Environment(os.environ)
    settings = JobSettings.read(env)

    async def work(sink: OpenSink, stop: asyncio.Event, saturated: Saturated) -> DrainReport:
        async with open_desk(settings, sink, path) as desk:
            return await desk.drain(stop, saturated)

    with living_parser(settings.parser_socket) as path:
        run_stage(env, settings.wake, slot, work)


@cache
def tls() -> SSLContext:
    """Costs tens of milliseconds: made once, before the fork."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_scraper(
    settings: FetchSettings, parser_path: str, pace: Pace, shelf: StoreShelf, clock: Callable[[], datetime]
) -> AsyncIterator[Scraper]:
    parser = MeasuredParser(parser_path)
    async with open_client(settings.guard, tls=tls(), user_agent=settings.user_agent) as client:
        fetcher = MeasuredFetcher(client, "async")
        try:
            robots = Robots(fetcher, settings.agent, shelf, clock)
            yield Scraper(fetcher, robots, parser, MeasuredPace(pace, "async"), clock)
        finally:
            parser.close()


@asynccontextmanager
async def open_desk(settings: JobSettings, sink: OpenSink, parser_path: str) -> AsyncIterator["Desk"]:
    """Owns the sink from here on."""
    async with (
        open_worker_desk("scraping", SOURCE, settings.drain, sink) as worker,
        open_moments(settings.wake.redis_url) as moments,
    ):
        pace = PlannedPace(worker.store, moments, settings.fetch.domain_delay_s, worker.now)
        shelf = StoreShelf(worker.store)
        async with open_scraper(settings.fetch, parser_path, pace, shelf, worker.now) as scraper:
            yield Desk(worker, scraper, settings.concurrency)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything one wake-up works with. `concurrency` is documents in hand at once."""

    worker: WorkerDesk
    scraper: Scraper
    concurrency: int

    async def drain(self, stop: asyncio.Event, saturated: Saturated) -> DrainReport:
        return await self.worker.drain(self._claim, self._work, self.concurrency, stop, saturated)

    async def _claim(self, limit: int) -> list[ScrapeClaim]:
        nothing_in_hand = limit == self.concurrency
        lease_s = self.worker.settings.lease_s
        return await claim_scrape(self.worker.store, limit, lease_s, self.worker.now(), suspects=nothing_in_hand)

    async def _work(self, claim: ScrapeClaim) -> StageReport | None:
        with outages_are_ours():
            return await self._scrape(claim)

    async def _scrape(self, claim: ScrapeClaim) -> StageReport | None:
        target = Target(claim.fetch_url, claim.redirects, claim.etag, claim.last_modified)
        if claim.sitemap is not None:
            return await self._list(claim, claim.sitemap, target)
        outcome = await self.scraper.scrape(target)
        if isinstance(outcome, Postponed):
            await self._postpone(claim, outcome)
            return None
        check(outcome.directives)
        text = outcome.text
        ref = await self.worker.objects.put(claim.corpus_id, "text", text.text.encode()) if text else None
        return document_scraped(claim, outcome, ref)

    async def _list(self, claim: ScrapeClaim, options: SitemapOptions, target: Target) -> StageReport | None:
        listed = await self.scraper.list_sitemap(target)
        if isinstance(listed, Postponed):
            await self._postpone(claim, listed)
            return None
        content = SitemapContent(pages=tuple(wanted(listed.pages, options)), sitemaps=listed.sitemaps)
        found = await self.worker.objects.put(claim.corpus_id, "urls", content.model_dump_json().encode())
        return sitemap_read(claim, content, found)

    async def _postpone(self, claim: ScrapeClaim, postponed: Postponed) -> None:
        moved_to = postponed.url if postponed.url != claim.fetch_url else None
        await self.worker.give_back({claim: current().spent()}, postponed.wait_s, fetch_url=moved_to)
