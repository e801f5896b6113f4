"""A scraper without a database: for one page at somebody's request."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import httpx

from functions.scrape.measures import MeasuredFetcher, MeasuredPace, MeasuredParser
from functions.scrape.moments import open_moments
from functions.scrape.pace import MomentPace, NoPace, Pace
from functions.scrape.parsing import parser_process
from functions.scrape.robots import NoShelf, Robots
from functions.scrape.scraping import Scraper
from functions.scrape.settings import FetchSettings
from shared.outbound.network import open_client


@asynccontextmanager
async def scraper_alone(settings: FetchSettings, redis_url: str | None = None) -> AsyncIterator[Scraper]:
    """With a parser process of its own. With Redis it keeps the pace that all keep, without it none."""
    tls = httpx.create_ssl_context()
    async with AsyncExitStack() as stack:
        parser = MeasuredParser(stack.enter_context(parser_process()))
        client = await stack.enter_async_context(open_client(settings.guard, tls=tls, user_agent=settings.user_agent))
        pace: Pace = NoPace()
        if redis_url is not None:
            moments = await stack.enter_async_context(open_moments(redis_url))
            pace = MomentPace(moments, settings.domain_delay_s)
        stack.callback(parser.close)
        fetcher = MeasuredFetcher(client, "sync")
        robots = Robots(fetcher, settings.agent, NoShelf(), _now)
        yield Scraper(fetcher, robots, parser, MeasuredPace(pace, "sync"), _now)


def _now() -> datetime:
    return datetime.now(UTC)
