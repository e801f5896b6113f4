"""A page, politely: robots.txt, pace, redirects, conditions, then its text."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from functions.scrape.core import Move, Readable, Response, Unchanged, judge
from functions.scrape.fetch import Fetcher
from functions.scrape.frames import Page, Text
from functions.scrape.parsing import Parser
from functions.scrape.robots import Robots
from shared.errors import InvalidInput, Permanent, Transient
from shared.pipeline.domain import domain_of
from shared.urls import normalise

MAX_REDIRECTS = 10
DOCUMENT_S = 90.0


class Pace(Protocol):
    """How often a domain may be asked, over all workers."""

    async def acquire(self, domain: str) -> float:
        """Takes a turn and answers 0, or takes none and answers the seconds to wait."""
        ...

    async def slow_down(self, domain: str, delay_s: float) -> None:
        """The domain's robots.txt asks for this delay."""
        ...

    async def hold(self, domain: str, wait_s: float) -> None:
        """The server asked everybody to stay away for so long."""
        ...


class NoPace:
    """For one page at a person's request."""

    async def acquire(self, domain: str) -> float:
        return 0.0

    async def slow_down(self, domain: str, delay_s: float) -> None:
        return None

    async def hold(self, domain: str, wait_s: float) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """What to fetch. `redirects` were followed before; the conditions are those of the version we have."""

    url: str
    redirects: int = 0
    etag: str | None = None
    last_modified: str | None = None

    def conditions(self) -> dict[str, str]:
        pairs = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return {name: value for name, value in pairs if value}


@dataclass(frozen=True, slots=True)
class Scraped:
    """`text` is None when the server said that nothing changed."""

    final_url: str
    text: Text | None
    fetched_at: datetime
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Postponed:
    """The domain must wait its turn; the redirect that led to it is already followed."""

    url: str
    wait_s: float


class Scraper:
    """Never sleeps: who must wait is told so."""

    def __init__(
        self, fetcher: Fetcher, robots: Robots, parser: Parser, pace: Pace, clock: Callable[[], datetime]
    ) -> None:
        self._fetcher = fetcher
        self._robots = robots
        self._parser = parser
        self._pace = pace
        self._clock = clock

    async def scrape(self, target: Target) -> Scraped | Postponed:
        """The domain's turn for `target` is already taken. Raises `StageFailure`."""
        try:
            async with asyncio.timeout(DOCUMENT_S):
                return await self._follow(target)
        except TimeoutError:
            raise Transient("fetch_timeout", "the server took too long to send the page") from None

    async def _follow(self, target: Target) -> Scraped | Postponed:
        url, started = target.url, self._clock()
        for _ in range(target.redirects, MAX_REDIRECTS + 1):
            moved = domain_of(url) != domain_of(target.url)
            if wait_s := await self._turn(url, moved, started):
                return Postponed(url, wait_s)
            response = await self._fetcher.get(url, target.conditions())
            verdict = await self._judge(response, target)
            if not isinstance(verdict, Move):
                return await self._read(response, verdict)
            url = _next(verdict, url)
        raise Permanent("too_many_redirects", f"the page redirects more than {MAX_REDIRECTS} times")

    async def _turn(self, url: str, moved: bool, started: datetime) -> float:
        """Robots first: who may not fetch at all takes no turn. A turn of an older, quicker pace does not count."""
        domain = domain_of(url)
        permission = await self._robots.check(url)
        slower = False
        if permission.crawl_delay_s is not None:
            await self._pace.slow_down(domain, permission.crawl_delay_s)
            slower = permission.learned_at is not None and permission.learned_at >= started
        return await self._pace.acquire(domain) if moved or slower else 0.0

    async def _judge(self, response: Response, target: Target) -> Move | Readable | Unchanged:
        try:
            return judge(response, conditional=bool(target.conditions()), now=self._clock())
        except Transient as exc:
            if exc.retry_after_s:
                await self._pace.hold(domain_of(response.url), exc.retry_after_s)
            raise

    async def _read(self, response: Response, verdict: Unchanged | Readable) -> Scraped:
        headers = response.headers
        text = None
        if isinstance(verdict, Readable):
            page = Page(
                response.url,
                verdict.form,
                headers.get("content-type"),
                headers.get("content-encoding"),
                response.body,
            )
            text = await self._parser.read(page)
        return Scraped(
            final_url=response.url,
            text=text,
            fetched_at=self._clock(),
            content_type=headers.get("content-type"),
            etag=headers.get("etag"),
            last_modified=headers.get("last-modified"),
        )


def _next(move: Move, url: str) -> str:
    try:
        return normalise(move.location, url)
    except InvalidInput as exc:
        raise Permanent("redirect_refused", f"the page redirects to where we do not go: {exc.message}") from None
