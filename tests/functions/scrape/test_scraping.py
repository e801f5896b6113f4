"""A page, politely."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_network

import pytest
from starlette.requests import Request
from starlette.responses import Response as Answer

from functions.scrape.fetch import Fetcher
from functions.scrape.job import tls
from functions.scrape.parsing import Parser, parser_process
from functions.scrape.robots import NoShelf, Robots
from functions.scrape.scraping import Listed, Postponed, Scraped, Scraper, Target
from shared.errors import Permanent, StageFailure, Transient
from shared.outbound.addresses import Guard
from shared.outbound.network import open_client
from tests.functions.scrape.world import NOON, PAGE
from tests.local_http import asgi, serving

Site = Callable[[Request], Awaitable[Answer]]


@dataclass
class Pace:
    """Notes what it is asked; domains in `busy` must wait, unless the claim took their turn."""

    busy: dict[str, float] = field(default_factory=dict)
    turns: list[tuple[str, float | None, bool]] = field(default_factory=list)
    refusals: dict[str, float | None] = field(default_factory=dict)

    async def turn(self, domain: str, asked_s: float | None, *, claimed: bool) -> float:
        self.turns.append((domain, asked_s, claimed))
        return 0.0 if claimed else self.busy.get(domain, 0.0)

    async def refused(self, domain: str, wait_s: float | None) -> None:
        self.refusals[domain] = wait_s


@pytest.fixture(scope="module")
def parser_path() -> Iterator[str]:
    with parser_process() as path:
        yield path


@asynccontextmanager
async def scraping(parser_path: str, pace: Pace) -> AsyncIterator[Scraper]:
    guard, parser = Guard((ip_network("127.0.0.0/8"),)), Parser(parser_path)

    def clock() -> datetime:
        return NOON

    async with open_client(guard, tls=tls(), user_agent="Sluice/1") as client:
        fetcher = Fetcher(client)
        yield Scraper(fetcher, Robots(fetcher, "sluice", NoShelf(), clock), parser, pace, clock)
    parser.close()


def site(reply: Site, robots: bytes = b"") -> Site:
    async def answer(request: Request) -> Answer:
        if request.url.path == "/robots.txt":
            return Answer(robots, media_type="text/plain")
        return await reply(request)

    return answer


async def plain(request: Request) -> Answer:
    return Answer(PAGE, media_type="text/html", headers={"etag": '"7"', "last-modified": "then"})


async def test_a_page_becomes_text(parser_path: str) -> None:
    pace = Pace()
    async with serving(asgi(site(plain))) as address, scraping(parser_path, pace) as scraper:
        scraped = await scraper.scrape(Target(address + "/"))
    assert isinstance(scraped, Scraped)
    assert scraped.text is not None
    assert (scraped.text.text, scraped.text.title) == ("Some words to read.", "A page")
    assert (scraped.etag, scraped.last_modified, scraped.fetched_at) == ('"7"', "then", NOON)
    domain = address.removeprefix("http://")
    assert pace.turns == [(domain, None, True), (domain, None, False)]


async def test_the_claims_turn_goes_to_robots_where_they_are_not_known(parser_path: str) -> None:
    async with serving(asgi(site(plain))) as address:
        domain = address.removeprefix("http://")
        pace = Pace(busy={domain: 1.0})
        async with scraping(parser_path, pace) as scraper:
            assert await scraper.scrape(Target(address + "/")) == Postponed(address + "/", 1.0)
            assert isinstance(await scraper.scrape(Target(address + "/")), Scraped)
    assert pace.turns == [(domain, None, True), (domain, None, False), (domain, None, True)]


async def test_a_redirect_within_a_domain_takes_a_turn_too(parser_path: str) -> None:
    async def reply(request: Request) -> Answer:
        return await plain(request) if request.url.path == "/new" else Answer(b"", 301, {"location": "/new"})

    async with serving(asgi(site(reply))) as address:
        domain = address.removeprefix("http://")
        pace = Pace()
        async with scraping(parser_path, pace) as scraper:
            await scraper.scrape(Target(address + "/new"))
            pace.busy[domain] = 2.0
            assert await scraper.scrape(Target(address + "/old")) == Postponed(address + "/new", 2.0)


async def test_what_has_not_changed_is_not_read_again(parser_path: str) -> None:
    async def reply(request: Request) -> Answer:
        fresh = request.headers.get("if-none-match") == '"7"' and request.headers.get("if-modified-since") == "then"
        return Answer(b"", 304) if fresh else Answer(PAGE)

    async with serving(asgi(site(reply))) as address, scraping(parser_path, Pace()) as scraper:
        scraped = await scraper.scrape(Target(address + "/", etag='"7"', last_modified="then"))
    assert isinstance(scraped, Scraped)
    assert scraped.text is None


async def test_redirects_lead_to_the_page(parser_path: str) -> None:
    async def reply(request: Request) -> Answer:
        left = int(request.query_params.get("left", "0"))
        return Answer(b"", 302, {"location": f"/?left={left - 1}"}) if left else await plain(request)

    async with serving(asgi(site(reply))) as address, scraping(parser_path, Pace()) as scraper:
        scraped = await scraper.scrape(Target(address + "/?left=10"))
        assert isinstance(scraped, Scraped)
        assert scraped.final_url == address + "/?left=0"
        with pytest.raises(Permanent) as refused:
            await scraper.scrape(Target(address + "/?left=11"))
        assert refused.value.code == "too_many_redirects"
        with pytest.raises(Permanent):
            await scraper.scrape(Target(address + "/?left=8", redirects=3))


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://10.0.0.1/", "address_refused"),
        ("file:///etc/passwd", "redirect_refused"),
        ("http://user:pw@example.com/", "redirect_refused"),
        ("http://127.0.0.1:0/", "redirect_refused"),
    ],
)
async def test_redirects_lead_nowhere_else(parser_path: str, location: str, code: str) -> None:
    async def reply(request: Request) -> Answer:
        return Answer(b"", 301, {"location": location})

    async with serving(asgi(site(reply))) as address, scraping(parser_path, Pace()) as scraper:
        with pytest.raises(StageFailure) as refused:
            await scraper.scrape(Target(address + "/"))
    assert (type(refused.value), refused.value.code) == (Permanent, code)


async def test_a_redirect_to_another_domain_waits_its_turn(parser_path: str) -> None:
    async with serving(asgi(site(plain))) as there:
        domain = there.removeprefix("http://")

        async def reply(request: Request) -> Answer:
            return Answer(b"", 301, {"location": there + "/page"})

        async with serving(asgi(site(reply))) as here:
            busy, free = Pace(busy={domain: 3.0}), Pace()
            async with scraping(parser_path, busy) as scraper:
                assert await scraper.scrape(Target(here + "/")) == Postponed(there + "/page", 3.0)
            async with scraping(parser_path, free) as scraper:
                scraped = await scraper.scrape(Target(here + "/"))
    assert isinstance(scraped, Scraped)
    assert scraped.final_url == there + "/page"
    assert (domain, None, False) in free.turns


async def test_robots_are_asked_on_both_sides_of_a_redirect(parser_path: str) -> None:
    async with serving(asgi(site(plain, b"user-agent: sluice\ndisallow: /page"))) as there:

        async def reply(request: Request) -> Answer:
            return Answer(b"", 301, {"location": there + "/page"})

        pace = Pace()
        async with serving(asgi(site(reply))) as here, scraping(parser_path, pace) as scraper:
            with pytest.raises(Permanent) as refused:
                await scraper.scrape(Target(here + "/"))
    assert refused.value.code == "robots_disallowed"


async def test_a_delay_that_was_just_learned_is_kept_at_once(parser_path: str) -> None:
    async with serving(asgi(site(plain, b"user-agent: *\ncrawl-delay: 9"))) as address:
        domain = address.removeprefix("http://")
        pace = Pace(busy={domain: 9.0})
        async with scraping(parser_path, pace) as scraper:
            assert await scraper.scrape(Target(address + "/")) == Postponed(address + "/", 9.0)
    assert pace.turns[-1] == (domain, 9.0, False)


async def test_a_server_that_asks_for_peace_gets_it(parser_path: str) -> None:
    async def reply(request: Request) -> Answer:
        return Answer(b"", 429, {"retry-after": "30"})

    pace = Pace()
    async with serving(asgi(site(reply))) as address, scraping(parser_path, pace) as scraper:
        with pytest.raises(Transient) as refused:
            await scraper.scrape(Target(address + "/"))
    assert (refused.value.code, refused.value.retry_after_s) == ("http_429", 30.0)
    assert pace.refusals == {address.removeprefix("http://"): 30.0}


async def test_a_server_that_only_broke_is_not_spared(parser_path: str) -> None:
    async def reply(request: Request) -> Answer:
        return Answer(b"", 500)

    pace = Pace()
    async with serving(asgi(site(reply))) as address, scraping(parser_path, pace) as scraper:
        with pytest.raises(Transient):
            await scraper.scrape(Target(address + "/"))
    assert pace.refusals == {}


async def library(request: Request) -> Answer:
    match request.url.path:
        case "/robots.txt":
            return Answer(b"user-agent: *\ndisallow: /closed\nsitemap: /index.xml")
        case "/index.xml":
            return Answer(b"<sitemapindex><sitemap><loc>/one.xml</loc></sitemap></sitemapindex>", media_type="text/xml")
        case "/one.xml":
            found = "/a", "HTTP://A.example:80/b#part", "/a#again", "ftp://a.example/c", "no://", "http://10.0.0.1/d"
            body = "".join(f"<url><loc>{location}</loc></url>" for location in found)
            return Answer(gzip.compress(f"<urlset>{body}</urlset>".encode()), media_type="application/gzip")
        case "/moved.xml":
            return Answer(status_code=301, headers={"location": "/one.xml"})
        case "/out.xml":
            return Answer(status_code=302, headers={"location": "http://169.254.169.254/latest/"})
        case "/page.xml":
            return Answer(PAGE)
        case _:
            return Answer(status_code=404)


async def test_a_sitemap_lists_pages_and_further_sitemaps(parser_path: str) -> None:
    async with serving(asgi(library)) as address, scraping(parser_path, Pace()) as scraper:
        listed = {path: await scraper.list_sitemap(Target(address + path)) for path in ("/robots.txt", "/index.xml")}
        moved = await scraper.list_sitemap(Target(address + "/moved.xml", etag='"1"'))
    assert listed["/robots.txt"] == Listed(address + "/robots.txt", (), (address + "/index.xml",), 0, False)
    assert listed["/index.xml"] == Listed(address + "/index.xml", (), (address + "/one.xml",), 0, False)
    pages = (address + "/a", "http://a.example/b", "http://10.0.0.1/d")
    assert moved == Listed(address + "/one.xml", pages, (), 2, False)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/gone", "http_404"),
        ("/closed.xml", "robots_disallowed"),
        ("/out.xml", "address_refused"),
        ("/page.xml", "sitemap_invalid"),
    ],
)
async def test_a_sitemap_is_fetched_under_the_rules_of_pages(path: str, code: str, parser_path: str) -> None:
    async with serving(asgi(library)) as address, scraping(parser_path, Pace()) as scraper:
        with pytest.raises(Permanent) as refused:
            await scraper.list_sitemap(Target(address + path))
    assert refused.value.code == code


async def test_a_sitemap_waits_its_turn(parser_path: str) -> None:
    async with serving(asgi(library)) as address:
        pace = Pace(busy={address.removeprefix("http://"): 4.0})
        async with scraping(parser_path, pace) as scraper:
            assert await scraper.list_sitemap(Target(address + "/one.xml")) == Postponed(address + "/one.xml", 4.0)


async def asking(request: Request) -> Answer:
    head = b"<link rel='Canonical alternate' href='/the-one#x'><meta name=ROBOTS content='NOARCHIVE'>"
    head += b"<meta name=sluice content=noindex><meta name=googlebot content=none>"
    refresh = b"<meta http-equiv=refresh content='0; url=/trap'>"
    headers = {"x-robots-tag": "googlebot: noindex"}
    return Answer(
        PAGE.replace(b"<head>", b"<head>" + refresh + (head if request.url.path == "/" else b"")), 200, headers
    )


async def test_what_a_page_asks_of_indexers_is_noted_and_a_refresh_not_followed(parser_path: str) -> None:
    async with serving(asgi(site(asking))) as address, scraping(parser_path, Pace()) as scraper:
        asks = await scraper.scrape(Target(address + "/"))
        asks_not = await scraper.scrape(Target(address + "/plain"))
    assert isinstance(asks, Scraped)
    assert isinstance(asks_not, Scraped)
    assert asks.final_url == address + "/"
    assert asks.directives == frozenset({"noindex", "noarchive"})
    assert asks_not.directives == frozenset()
    assert asks.text is not None
    assert asks.text.canonical == address + "/the-one"


@pytest.mark.parametrize("validator", ['"\u00e9"', '"1\r\nX-Evil: 1"', '"\x00"'])
async def test_validators_that_no_header_can_hold_are_not_sent(validator: str, parser_path: str) -> None:
    seen: list[str | None] = []

    async def reply(request: Request) -> Answer:
        seen.append(request.headers.get("if-none-match"))
        return await plain(request)

    async with serving(asgi(site(reply))) as address, scraping(parser_path, Pace()) as scraper:
        assert isinstance(await scraper.scrape(Target(address + "/", etag=validator)), Scraped)
    assert seen == [None]
