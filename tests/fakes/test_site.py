"""The site misbehaves as it says, and in no other way."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.site import Site, open_site
from tests.local_http import closed_port


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with open_site(site) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


async def test_a_page_is_served_until_it_changes(client: httpx.AsyncClient, site: Site) -> None:
    first = await client.get("/")
    for validator in ({"if-none-match": first.headers["etag"]}, {"if-modified-since": first.headers["last-modified"]}):
        assert (await client.get("/", headers=validator)).status_code == 304
    assert (first.status_code, len(site.requests["/"])) == (200, 3)
    assert list((await client.get("/_requests")).json()) == ["/"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/status/500", 500), ("/busy/1", 429), ("/empty", 200)],
)
async def test_it_answers(path: str, status: int, client: httpx.AsyncClient) -> None:
    assert (await client.get(path)).status_code == status


async def test_busy_passes(client: httpx.AsyncClient) -> None:
    assert [(await client.get("/busy/2")).status_code for _ in range(3)] == [429, 429, 200]


async def test_redirects_arrive_but_for_the_loop(client: httpx.AsyncClient, site: Site) -> None:
    assert (await client.get("/redirect/3", follow_redirects=True)).url.path == "/"
    with pytest.raises(httpx.TooManyRedirects):
        await client.get("/loop", follow_redirects=True)


async def test_streams_are_as_long_as_they_say(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/endless") as endless:
        size = 0
        async for part in endless.aiter_bytes():
            size += len(part)
            if size > 20_000:
                break
    async with client.stream("GET", "/bomb") as bomb:
        assert int(bomb.headers["content-length"]) < 2_000_000
    async with client.stream("GET", "/huge") as huge:
        sizes = [len(part) async for part in huge.aiter_raw()]
    assert sum(sizes) > 49_000_000
    assert "Slow" in (await client.get("/slow/0.1")).text


async def test_the_charset_is_a_lie(client: httpx.AsyncClient) -> None:
    answer = await client.get("/charset")
    assert "utf-8" in answer.headers["content-type"]
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode("utf-8")


def test_it_runs_alone() -> None:
    port = closed_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.fakes.site", "--port", str(port)])
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
    finally:
        process.terminate()
        process.wait(10)
