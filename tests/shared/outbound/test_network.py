"""Connections that go to checked addresses only."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import httpcore
import pytest

from shared.errors import Permanent, StageFailure
from shared.outbound.addresses import Guard
from shared.outbound.network import Resolver, open_client

LOOPBACK = Guard((ip_network("127.0.0.0/8"),))


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver(threads=2)
    yield resolver
    resolver.close()


async def test_a_name_that_does_not_exist_is_permanent(resolver: Resolver) -> None:
    with pytest.raises(StageFailure) as failed:
        await resolver.look_up("does-not-exist.invalid", 80)
    assert failed.value.code in ("host_not_found", "dns_failure")
    with pytest.raises(Permanent) as too_long:
        await resolver.look_up("a" * 300 + ".example", 80)
    assert too_long.value.code == "host_not_found"


async def test_a_literal_resolves_to_itself(resolver: Resolver) -> None:
    assert await resolver.look_up("127.0.0.1", 80) == ["127.0.0.1"]


class Detour(httpcore.AsyncNetworkBackend):
    """Connects somewhere else than it was told, as a translating gateway or a hijacked socket would."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self._port)


async def test_the_socket_has_the_last_word_on_where_it_arrived() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read(1))
        writer.close()

    async def public(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    network = Detour(server.sockets[0].getsockname()[1])
    tls = ssl.create_default_context()
    async with server, open_client(Guard(), tls=tls, user_agent="T/1", resolve=public, network=network) as client:
        with pytest.raises(Permanent) as refused:
            await client.get("http://example.com/")
        assert await heard.get() == b""
    assert refused.value.code == "address_refused"


async def test_it_knows_no_proxy_no_cookie_and_no_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nset-cookie: a=1\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, open_client(LOOPBACK, tls=ssl.create_default_context(), user_agent="T/1") as client:
        for _ in range(2):
            response = await client.get(address)
            assert (response.status_code, response.headers["location"]) == (302, "/there")
    assert len(heads) == 2
    assert all(b"User-Agent: T/1" in head and b"ookie" not in head for head in heads)


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["93.184.215.14", "::1"], ["fe80::1%eth0"], []])
async def test_an_answer_that_is_not_public_is_not_connected_to(answer: list[str]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return answer

    network = httpcore.AsyncMockBackend([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
    tls = ssl.create_default_context()
    async with open_client(Guard(), tls=tls, user_agent="T/1", resolve=resolve, network=network) as client:
        with pytest.raises(Permanent) as refused:
            await client.get("http://example.com/")
    assert refused.value.code == "address_refused"
