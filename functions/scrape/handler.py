"""The scrape function: wakes the workers, or reads one page for whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from functions.scrape.settings import FetchSettings
from shared.auth.context import CallerContext
from shared.contracts.stages import ScrapeRequested
from shared.errors import InvalidInput, Overloaded, Permanent
from shared.events.event import CloudEvent, Json
from shared.workqueue.settings import WakeSettings
from shared.workqueue.wake import Waker

if TYPE_CHECKING:
    from functions.scrape.scraping import Scraper


# Nobody waits longer than this for a turn outside a job; the gateway's own limit is 30 s.
PATIENCE_S = 10.0


@dataclass
class Desk:
    """What the function holds while it runs. The scraper is heavy: it opens with the first page that is asked for."""

    waker: Waker
    redis_url: str
    fetch: FetchSettings
    stack: AsyncExitStack
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    scraper: "Scraper | None" = None

    async def open_scraper(self) -> "Scraper":
        from functions.scrape.alone import scraper_alone  # noqa: PLC0415

        async with self.opening:
            if self.scraper is None:
                self.scraper = await self.stack.enter_async_context(scraper_alone(self.fetch, self.redis_url))
            return self.scraper


@asynccontextmanager
async def open_desk(wake: WakeSettings, fetch: FetchSettings) -> AsyncIterator[Desk]:
    waker = Waker.of(wake)
    async with AsyncExitStack() as stack:
        stack.callback(waker.close)
        yield Desk(waker, wake.redis_url, fetch, stack)


async def wake_workers(payload: ScrapeRequested, desk: Desk, event: CloudEvent) -> None:
    """One wake-up is as good as a hundred."""
    await desk.waker.wake()


async def scrape_page(body: Json, caller: CallerContext, desk: Desk) -> Json:
    """`{"url": …}` to the page's text and what it says of itself."""
    url = body.get("url") if isinstance(body, dict) else None
    if not isinstance(url, str):
        raise InvalidInput("url_missing", 'send {"url": "https://…"}', field="url")
    from functions.scrape.scraping import Postponed, Target  # noqa: PLC0415
    from shared.urls import normalise  # noqa: PLC0415

    url = normalise(url)
    scraper = await desk.open_scraper()
    target, until = Target(url), asyncio.get_running_loop().time() + PATIENCE_S
    while isinstance(outcome := await scraper.scrape(target), Postponed):
        if asyncio.get_running_loop().time() + outcome.wait_s > until:
            raise Overloaded("domain_busy", "the site must be left alone for a while", retry_after_s=outcome.wait_s)
        await asyncio.sleep(outcome.wait_s)
        target = Target(outcome.url, target.redirects + (outcome.url != target.url))
    if outcome.text is None:
        raise Permanent("no_text", "the page could not be read now")
    text = outcome.text
    return {
        "url": url,
        "final_url": outcome.final_url,
        "text": text.text,
        "title": text.title,
        "author": text.author,
        "date": text.date,
        "language": text.language,
        "canonical_url": text.canonical,
        "directives": [*sorted(outcome.directives)],
    }
