"""A scraper without a platform: for one page at somebody's request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx

from functions.scrape.fetch import Fetcher
from functions.scrape.parsing import Parser, parser_process
from functions.scrape.robots import NoShelf, Robots
from functions.scrape.scraping import NoPace, Scraper
from functions.scrape.settings import FetchSettings
from shared.outbound.network import open_client


@asynccontextmanager
async def scraper_alone(settings: FetchSettings) -> AsyncIterator[Scraper]:
    """With a parser process of its own."""
    client = open_client(settings.guard, tls=httpx.create_ssl_context(), user_agent=settings.user_agent)
    with parser_process() as path:
        parser = Parser(path)
        async with client as opened:
            fetcher = Fetcher(opened)
            try:
                yield Scraper(fetcher, Robots(fetcher, settings.agent, NoShelf(), _now), parser, NoPace(), _now)
            finally:
                parser.close()


def _now() -> datetime:
    return datetime.now(UTC)
