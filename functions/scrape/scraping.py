"""A page, politely: robots.txt, pace, redirects, conditions, then its text."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from functions.scrape.body import unpack
from functions.scrape.core import Move, Response, Unchanged, form_of, judge
from functions.scrape.directives import of_header, of_page
from functions.scrape.fetch import Fetcher
from functions.scrape.frames import Page, Text
from functions.scrape.pace import Pace
from functions.scrape.parsing import Parser
from functions.scrape.robots import Robots
from functions.scrape.rules import sitemaps
from functions.scrape.sitemaps import Sitemap
from observe import tracing
from shared.errors import InvalidInput, Permanent, Transient
from shared.pipeline.domain import domain_of
from shared.urls import normalise

MAX_REDIRECTS = 10
# Not the page's own trouble: the whole site has had enough.
REFUSALS = frozenset({429, 503})
DOCUMENT_S = 90.0


@dataclass(frozen=True, slots=True)
class Target:
    """What to fetch. `redirects` were followed before; the conditions are those of the version we have."""

    url: str
    redirects: int = 0
    etag: str | None = None
    last_modified: str | None = None

    def conditions(self) -> dict[str, str]:
        """Only what a header can hold: it is the server's own words, and may be anything."""
        pairs = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return {name: value for name, value in pairs if value and value.isascii() and value.isprintable()}


@dataclass(frozen=True, slots=True)
class Scraped:
    """`text` is None when the server said that nothing changed. `directives` are what the page asks of indexers."""

    final_url: str
    text: Text | None
    fetched_at: datetime
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    directives: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Listed:
    """What a sitemap lists, normalised and distinct, in its order; `refused` counts entries that are no page's address.

    A sitemap may say that it lists more than one may (`truncated`).
    """

    final_url: str
    pages: tuple[str, ...]
    sitemaps: tuple[str, ...]
    refused: int
    truncated: bool


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
        with _bounded():
            async with asyncio.timeout(DOCUMENT_S):
                arrived = await self._follow(target)
                return arrived if isinstance(arrived, Postponed) else await self._read(*arrived)

    async def list_sitemap(self, target: Target) -> Listed | Postponed:
        """Of a sitemap, an index of sitemaps, or a robots.txt that names some. As polite, and as guarded, as a page."""
        with _bounded():
            async with asyncio.timeout(DOCUMENT_S):
                arrived = await self._follow(replace(target, etag=None, last_modified=None))
                return arrived if isinstance(arrived, Postponed) else await self._list(arrived[0])

    async def _follow(self, target: Target) -> tuple[Response, Unchanged | None] | Postponed:
        url, claimed = target.url, True
        for _ in range(target.redirects, MAX_REDIRECTS + 1):
            if wait_s := await self._turn(url, claimed):
                return Postponed(url, wait_s)
            response = await self._fetcher.get(url, target.conditions())
            verdict = await self._judge(response, target)
            if not isinstance(verdict, Move):
                return response, verdict
            url, claimed = next_url(verdict, url), False
        raise Permanent("too_many_redirects", f"the page redirects more than {MAX_REDIRECTS} times")

    async def _turn(self, url: str, claimed: bool) -> float:
        """One for each request: where robots.txt must be asked for first, that request takes the claim's turn."""
        domain = domain_of(url)
        if not await self._robots.knows(url):
            if wait_s := await self._pace.turn(domain, None, claimed=claimed):
                return wait_s
            claimed = False
        permission = await self._robots.check(url)
        return await self._pace.turn(domain, permission.crawl_delay_s, claimed=claimed)

    async def _judge(self, response: Response, target: Target) -> Move | Unchanged | None:
        try:
            return judge(response, conditional=bool(target.conditions()), now=self._clock())
        except Transient as exc:
            if response.status in REFUSALS:
                await self._pace.refused(domain_of(response.url), exc.retry_after_s)
            raise

    async def _list(self, response: Response) -> Listed:
        encoding = response.headers.get("content-encoding")
        if response.url.endswith("/robots.txt"):
            named = sitemaps(unpack(response.body, encoding))
            return _listed(response.url, Sitemap(sitemaps=tuple(named)))
        page = Page(response.url, "sitemap", response.headers.get("content-type"), encoding, response.body)
        with tracing.span("extract"):
            return _listed(response.url, await self._parser.read_sitemap(page))

    async def _read(self, response: Response, unchanged: Unchanged | None) -> Scraped:
        headers = response.headers
        text = None
        if unchanged is None:
            page = Page(
                response.url,
                form_of(response),
                headers.get("content-type"),
                headers.get("content-encoding"),
                response.body,
                self._robots.agent,
            )
            with tracing.span("extract"):
                text = await self._parser.read(page)
        asked = of_header(headers.get("x-robots-tag", "").split("\n"), self._robots.agent)
        return Scraped(
            directives=asked | of_page(((text and text.robots) or "").split("\n")),
            final_url=response.url,
            text=text,
            fetched_at=self._clock(),
            content_type=headers.get("content-type"),
            etag=headers.get("etag"),
            last_modified=headers.get("last-modified"),
        )


@contextmanager
def _bounded() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise Transient("fetch_timeout", "the server took too long to send the page") from None


def _listed(url: str, found: Sitemap) -> Listed:
    pages = [_normal(page, url) for page in found.pages]
    inner = [_normal(sitemap, url) for sitemap in found.sitemaps]
    return Listed(
        url,
        tuple(dict.fromkeys(page for page in pages if page is not None)),
        tuple(dict.fromkeys(sitemap for sitemap in inner if sitemap is not None)),
        pages.count(None) + inner.count(None),
        found.truncated,
    )


def _normal(url: str, base: str) -> str | None:
    try:
        return normalise(url, base)
    except InvalidInput:
        return None


def next_url(move: Move, url: str) -> str:
    """Where a redirect from `url` leads. Raises `Permanent` redirect_refused."""
    try:
        return normalise(move.location, url)
    except InvalidInput as exc:
        raise Permanent("redirect_refused", f"the page redirects to where we do not go: {exc.message}") from None
