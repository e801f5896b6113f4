"""Asking a site before fetching from it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest
from starlette.requests import Request
from starlette.responses import Response as Answer

from functions.scrape.fetch import Fetcher, Limits
from functions.scrape.job import tls
from functions.scrape.robots import Copy, Robots
from shared.errors import Permanent, Transient
from shared.outbound.addresses import Guard
from shared.outbound.network import open_client
from tests.functions.scrape.world import NOON
from tests.local_http import asgi, serving

FORBID = b"user-agent: *\ndisallow: /private\ncrawl-delay: 7"


@dataclass
class Shelf:
    copies: dict[str, Copy] = field(default_factory=dict)

    async def get(self, site: str) -> Copy | None:
        return self.copies.get(site)

    async def put(self, site: str, copy: Copy) -> None:
        self.copies[site] = copy


@dataclass
class World:
    address: str
    robots: Robots
    shelf: Shelf
    asked: list[str]
    clock: list[datetime]

    def another_worker(self, fetcher: Fetcher) -> Robots:
        return Robots(fetcher, "sluice", self.shelf, lambda: self.clock[0])


@asynccontextmanager
async def world(reply: Callable[[Request], Awaitable[Answer]]) -> AsyncIterator[World]:
    asked: list[str] = []
    clock = [NOON]

    async def site(request: Request) -> Answer:
        asked.append(request.url.path)
        return await reply(request)

    guard = Guard((ip_network("127.0.0.0/8"),))
    async with serving(asgi(site)) as address, open_client(guard, tls=tls(), user_agent="Sluice/1") as client:
        fetcher, shelf = Fetcher(client, Limits(silence_s=0.5)), Shelf()
        yield World(address, Robots(fetcher, "sluice", shelf, lambda: clock[0]), shelf, asked, clock)


def replying(status: int, body: bytes = b"", **headers: str) -> Callable[[Request], Awaitable[Answer]]:
    async def reply(request: Request) -> Answer:
        return Answer(body, status, headers)

    return reply


async def test_rules_are_followed_and_asked_for_once() -> None:
    async with world(replying(200, FORBID)) as it:
        permissions = await asyncio.gather(*(it.robots.check(f"{it.address}/{n}") for n in range(10)))
        with pytest.raises(Permanent) as refused:
            await it.robots.check(it.address + "/private/x")
    assert refused.value.code == "robots_disallowed"
    assert {permission.crawl_delay_s for permission in permissions} == {7.0}
    assert it.asked == ["/robots.txt"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_no_file_allows_everything(status: int) -> None:
    async with world(replying(status, FORBID)) as it:
        await it.robots.check(it.address + "/private")
    assert it.asked == ["/robots.txt"], "nothing was allowed unasked"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_site_that_cannot_answer_is_not_fetched_from(status: int) -> None:
    async with world(replying(status)) as it:
        for _ in range(3):
            with pytest.raises(Transient) as refused:
                await it.robots.check(it.address + "/")
        assert refused.value.code == "robots_unavailable"
        assert f"could not be read (status {status})" in refused.value.message
        assert len(it.asked) == 1
        it.clock[0] += timedelta(seconds=61)
        with pytest.raises(Transient):
            await it.robots.check(it.address + "/")
        assert len(it.asked) == 2


async def test_a_silent_site_is_not_fetched_from() -> None:
    async def silent(request: Request) -> Answer:
        while not await request.is_disconnected():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return Answer()

    async with world(silent) as it:
        with pytest.raises(Transient) as refused:
            await it.robots.check(it.address + "/")
    assert refused.value.code == "robots_unavailable"
    assert "could not be read (no answer)" in refused.value.message


async def test_redirects_are_followed_but_not_for_ever() -> None:
    async def reply(request: Request) -> Answer:
        step = int(request.query_params.get("step", "0"))
        if step < 5:
            return Answer(b"", 302, {"location": f"/elsewhere?step={step + 1}"})
        return Answer(FORBID)

    async with world(reply) as it:
        with pytest.raises(Permanent):
            await it.robots.check(it.address + "/private")
    async with world(replying(302, b"", location="/robots.txt")) as it:
        await it.robots.check(it.address + "/private")
    assert len(it.asked) == 6


async def test_an_address_that_is_refused_is_refused_as_such() -> None:
    async with world(replying(302, b"", location="http://10.0.0.1/robots.txt")) as it:
        with pytest.raises(Permanent) as refused:
            await it.robots.check(it.address + "/")
    assert refused.value.code == "address_refused"


async def test_workers_share_what_they_learned_for_a_day() -> None:
    async with world(replying(200, FORBID)) as it:
        assert not await it.robots.knows(it.address + "/")
        await it.robots.check(it.address + "/")
        other = it.another_worker(it.robots._fetcher)
        assert await other.knows(it.address + "/")
        await other.check(it.address + "/")
        assert len(it.asked) == 1
        it.clock[0] += timedelta(hours=25)
        assert not await other.knows(it.address + "/")
        await other.check(it.address + "/")
        assert len(it.asked) == 2


async def test_an_old_copy_serves_while_the_site_does_not_answer() -> None:
    async with world(replying(500)) as it:
        it.shelf.copies[it.address] = Copy(200, FORBID, NOON - timedelta(days=2))
        await it.robots.check(it.address + "/")
        with pytest.raises(Permanent):
            await it.robots.check(it.address + "/private")
        it.clock[0] += timedelta(days=40)
        with pytest.raises(Transient):
            await it.robots.check(it.address + "/")


async def test_one_page_called_off_leaves_the_answer_to_the_others() -> None:
    gate = asyncio.Event()

    async def reply(request: Request) -> Answer:
        await gate.wait()
        return Answer(FORBID)

    async with world(reply) as it:
        first = asyncio.create_task(it.robots.check(it.address + "/"), name="first")
        second = asyncio.create_task(it.robots.check(it.address + "/"), name="second")
        while not it.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        first.cancel()
        gate.set()
        assert (await second).crawl_delay_s == 7.0
