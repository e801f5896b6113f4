"""A page, politely."""

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
from functions.scrape.scraping import Postponed, Scraped, Scraper, Target
from shared.errors import Permanent, StageFailure, Transient
from shared.outbound.addresses import Guard
from shared.outbound.network import open_client
from tests.functions.scrape.world import NOON, PAGE
from tests.local_http import asgi, serving

Site = Callable[[Request], Awaitable[Answer]]


@dataclass
class Pace:
    """Notes what it is asked; domains in `busy` must wait."""

    busy: dict[str, float] = field(default_factory=dict)
    turns: list[str] = field(default_factory=list)
    delays: dict[str, float] = field(default_factory=dict)
    holds: dict[str, float] = field(default_factory=dict)

    async def acquire(self, domain: str) -> float:
        self.turns.append(domain)
        return self.busy.get(domain, 0.0)

    async def slow_down(self, domain: str, delay_s: float) -> None:
        self.delays[domain] = delay_s

    async def hold(self, domain: str, wait_s: float) -> None:
        self.holds[domain] = wait_s


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
    assert pace.turns == []


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
    assert free.turns == [domain]


async def test_robots_are_asked_on_both_sides_of_a_redirect(parser_path: str) -> None:
    async with serving(asgi(site(plain, b"user-agent: sluice\ndisallow: /page"))) as there:

        async def reply(request: Request) -> Answer:
            return Answer(b"", 301, {"location": there + "/page"})

        pace = Pace()
        async with serving(asgi(site(reply))) as here, scraping(parser_path, pace) as scraper:
            with pytest.raises(Permanent) as refused:
                await scraper.scrape(Target(here + "/"))
    assert refused.value.code == "robots_disallowed"
    assert pace.turns == []


async def test_a_delay_that_was_just_learned_is_kept_at_once(parser_path: str) -> None:
    async with serving(asgi(site(plain, b"user-agent: *\ncrawl-delay: 9"))) as address:
        domain = address.removeprefix("http://")
        pace = Pace(busy={domain: 9.0})
        async with scraping(parser_path, pace) as scraper:
            assert await scraper.scrape(Target(address + "/")) == Postponed(address + "/", 9.0)
    assert pace.delays == {domain: 9.0}


async def test_a_server_that_asks_for_peace_gets_it(parser_path: str) -> None:
    async def reply(request: Request) -> Answer:
        return Answer(b"", 429, {"retry-after": "30"})

    pace = Pace()
    async with serving(asgi(site(reply))) as address, scraping(parser_path, pace) as scraper:
        with pytest.raises(Transient) as refused:
            await scraper.scrape(Target(address + "/"))
    assert (refused.value.code, refused.value.retry_after_s) == ("http_429", 30.0)
    assert pace.holds == {address.removeprefix("http://"): 30.0}
