"""What is counted of requests, pages and waits, by what a real site answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.scrape.handler import open_desk, scrape_page
from functions.scrape.measures import MeasuredFetcher, MeasuredPace
from functions.scrape.settings import FetchSettings, read_wake
from shared.auth.context import CallerContext
from shared.errors import Permanent, StageFailure
from shared.settings import Environment
from tests.functions.scrape.test_fetch import LOOPBACK
from tests.functions.scrape.world import PAGE
from tests.local_http import asgi, closed_port, serving
from tests.numbers import Since

FETCHES = "sluice_fetches_total"


async def site(request: Request) -> Response:
    match request.url.path:
        case "/robots.txt" | "/gone":
            return Response(status_code=404)
        case "/moved":
            return Response(status_code=301, headers={"location": "/page"})
        case "/odd":
            return Response(status_code=499)
        case "/image":
            return Response(b"GIF89a", media_type="image/gif")
        case _:
            return Response(PAGE, media_type="text/html")


@asynccontextmanager
async def fetcher() -> AsyncIterator[MeasuredFetcher]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield MeasuredFetcher(client, "async")


async def test_each_request_counts_by_the_class_of_its_answer() -> None:
    since = Since()
    async with serving(asgi(site)) as url, fetcher() as opened:
        for path in ("/page", "/page", "/moved", "/gone", "/odd"):
            await opened.get(url + path)
    counted = {outcome: since(FETCHES, request_mode="async", outcome=outcome) for outcome in ("2xx", "3xx", "4xx")}
    assert counted == {"2xx": 2, "3xx": 1, "4xx": 2}
    assert since("sluice_fetch_seconds_count", request_mode="async") == 5
    assert since.in_seconds("sluice_fetch_seconds", request_mode="async")
    assert since("sluice_fetched_bytes_total", request_mode="async") == 2 * len(PAGE)


async def test_a_request_without_an_answer_counts_by_what_went_wrong() -> None:
    since = Since()
    async with fetcher() as opened:
        with pytest.raises(StageFailure):
            await opened.get(f"http://127.0.0.1:{closed_port()}/")
    assert since(FETCHES, outcome="connection_refused") == 1


class Closed:
    """A domain that must be left alone for nine seconds."""

    async def turn(self, domain: str, asked_s: float | None, *, claimed: bool) -> float:
        return 0.0 if claimed else 9.0

    async def refused(self, domain: str, wait_s: float | None) -> None:
        assert wait_s == 30


async def test_a_wait_counts_without_its_domain() -> None:
    since, pace = Since(), MeasuredPace(Closed(), "async")
    assert await pace.turn("example.org", None, claimed=True) == 0
    assert await pace.turn("example.org", None, claimed=False) == 9
    await pace.refused("example.org", 30)
    assert since("sluice_domain_wait_seconds_count", request_mode="async") == 1
    assert since("sluice_domain_wait_seconds_sum", request_mode="async") == pytest.approx(9)


async def test_a_page_at_somebody_s_request_is_a_synchronous_one() -> None:
    settings = Environment({"REDIS_URL": "redis://127.0.0.1:1/0", "SCRAPE_DOMAIN_DELAY_SECONDS": "0"})
    fetch = FetchSettings(LOOPBACK, "Test/1", "Test", 0.0)
    since, caller = Since(), CallerContext("alice")
    async with serving(asgi(site)) as url, open_desk(read_wake(settings), fetch) as desk:
        await scrape_page({"url": f"{url}/moved"}, caller, desk)
        with pytest.raises(Permanent):
            await scrape_page({"url": f"{url}/image"}, caller, desk)
    assert since(FETCHES, request_mode="sync", outcome="3xx") == 1
    assert since(FETCHES, request_mode="sync", outcome="2xx") == 2
    assert since("sluice_extraction_seconds_count", outcome="ok") == 1
    assert since.in_seconds("sluice_extraction_seconds", outcome="ok")
