"""Requests to servers that answer as written, byte for byte."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from emulator.upstream.answer import Broken
from emulator.upstream.connection import HELD_BYTES
from emulator.upstream.exchange import Exchange
from emulator.upstream.pool import Pool
from emulator.upstream.request import Request
from tests.local_http import until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Replica:
    """Reads one head, does what it is told, as often as it is asked."""

    port: int
    pool: Pool
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)


Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def saying(*answers: bytes, then_close: bool = False) -> Act:
    left = list(answers)

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()
        if then_close:
            writer.close()

    return act


@asynccontextmanager
async def replica(act: Act) -> AsyncIterator[Replica]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.connections += 1
        try:
            while not writer.is_closing():
                there.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await act(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    there = Replica(port, Pool(port))
    try:
        yield there
    finally:
        there.pool.close()
        server.close()


async def ask(there: Replica, method: bytes = b"GET", **request: object) -> tuple[int, bytes]:
    async with Exchange(there.pool, Request(method, b"/", (), **request)) as exchange:  # type: ignore[arg-type]
        return exchange.status, b"".join([piece async for piece in exchange.pieces()])


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with replica(saying(OK)) as there:
        assert [await ask(there) for _ in range(3)] == [(200, b"ok")] * 3
        assert there.connections == 1


async def test_the_head_is_framed_anew() -> None:
    async with replica(saying(OK)) as there:
        headers = ((b"x-own", b"1"),)
        async with Exchange(there.pool, Request(b"POST", b"/a?b=%20", headers, b"four")):
            pass
        host = b"host: 127.0.0.1:%d" % there.port
        assert there.requests == [
            b"\r\n".join((b"POST /a?b=%20 HTTP/1.1", host, b"x-own: 1", b"content-length: 4", b"", b""))
        ]


@pytest.mark.parametrize(
    "request_",
    [
        Request(b"GET", b"/", ((b"x", b"1\r\ny: 2"),)),
        Request(b"GET", b"/", ((b"x\n", b"1"),)),
        Request(b"GET", b"/", ((b"x", b"\0"),)),
        Request(b"GET", b"/ HTTP/1.1\r\nx: 1\r\n", ()),
        Request(b"GET", b"/a b", ()),
    ],
)
async def test_nothing_can_be_smuggled_into_a_head(request_: Request) -> None:
    async with replica(saying(OK)) as there:
        with pytest.raises(ValueError, match="holds"):
            async with Exchange(there.pool, request_):
                pass
        assert there.requests == []


@pytest.mark.parametrize(
    ("length", "framing", "sent"),
    [(None, b"transfer-encoding: chunked", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), (5, b"content-length: 5", b"abcde")],
)
async def test_a_streamed_body_has_its_length_or_is_chunked(length: int | None, framing: bytes, sent: bytes) -> None:
    got: list[bytes] = []

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readexactly(len(sent)))
        writer.write(OK)

    async with replica(act) as there:
        assert await ask(there, b"POST", body=pieces(b"abc", b"de"), length=length) == (200, b"ok")
        assert framing in there.requests[0]
        assert got == [sent]


async def test_an_answer_that_came_before_the_body_was_read_is_kept() -> None:
    """The other end closes with much of the request unread, which resets the connection."""

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Much\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmuch")
        writer.close()

    async with replica(act) as there:
        for _ in range(20):
            whole = await ask(there, b"POST", body=b"x" * 30_000_000)
            streamed = await ask(there, b"POST", body=pieces(*[b"x" * 65_536] * 500))
            assert whole == streamed == (413, b"much")


async def test_both_ways_at_once() -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")
        writer.write(await reader.readexactly(3))
        writer.write(await reader.readexactly(3))

    heard = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        await heard.wait()
        yield b"two"

    async with (
        replica(act) as there,
        Exchange(there.pool, Request(b"POST", b"/", (), body(), 6)) as exchange,
    ):
        assert await exchange.read() == b"one"
        heard.set()
        assert await exchange.read() == b"two"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, (200, b"ok")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-late: 1\r\n\r\n", (200, b"ok")),
        (b"HTTP/1.1 418 \r\ncontent-length: 0\r\n\r\n", (418, b"")),
    ],
)
async def test_answers_as_they_may_be(answer: bytes, expected: tuple[int, bytes]) -> None:
    async with replica(saying(answer)) as there:
        assert [await ask(there) for _ in range(2)] == [expected] * 2
        assert there.connections == 1
        async with Exchange(there.pool, Request(b"GET", b"/", ())) as exchange:
            assert {b"link", b"x-late"}.isdisjoint(name for name, _ in exchange.headers)


async def test_an_answer_may_end_with_its_connection() -> None:
    async with replica(saying(b"HTTP/1.1 200 OK\r\n\r\nall of it", then_close=True)) as there:
        assert [await ask(there) for _ in range(2)] == [(200, b"all of it")] * 2
        assert there.connections == 2


async def test_an_answer_to_head_has_no_body_whatever_its_length() -> None:
    async with replica(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")) as there:
        assert [await ask(there, b"HEAD") for _ in range(2)] == [(200, b"")] * 2
        assert there.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
async def test_what_is_no_whole_answer_is_broken(answer: bytes) -> None:
    async with replica(saying(answer, then_close=True)) as there:
        with pytest.raises(Broken):
            await ask(there)


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\n", b"rubbish"])
async def test_who_says_more_than_he_was_asked_is_not_asked_again_there(more: bytes) -> None:
    async with replica(saying(OK + more)) as there:
        assert [await ask(there) for _ in range(2)] == [(200, b"ok")] * 2
        assert there.connections == 2


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async with replica(saying(OK, then_close=True)) as there:
        for done in range(1, 4):
            assert await ask(there, b"POST") == (200, b"ok")
            await until(lambda: there.pool.reuse() is None)
            assert there.connections == done


async def test_what_may_be_repeated_is_when_a_kept_connection_turns_out_dead() -> None:
    async def second_request_kills(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(there.requests) % 2:
            writer.write(OK)
        else:
            writer.close()

    async with replica(second_request_kills) as there:
        assert [await ask(there) for _ in range(2)] == [(200, b"ok")] * 2
        assert there.connections == 2
        with pytest.raises(Broken):
            await ask(there, b"POST")


async def test_nobody_there_is_an_error_of_the_system() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        async with Exchange(Pool(port), Request(b"GET", b"/", ())):
            pass


async def test_no_more_is_read_than_somebody_takes() -> None:
    size, written = 50_000_000, 0

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while written < size:
            writer.write(b"x" * 100_000)
            written += 100_000
            await writer.drain()

    async with replica(act) as there, Exchange(there.pool, Request(b"GET", b"/", ())) as exchange:
        before = -1
        while before != written:
            before = written
            await asyncio.sleep(0.1)
        assert written < size
        first = await exchange.read()
        assert len(first) <= 2 * HELD_BYTES
        assert len(first) + sum([len(piece) async for piece in exchange.pieces()]) == size


async def test_a_body_that_breaks_off_ends_the_exchange() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"some"
        raise ConnectionResetError("the caller went away")

    async with replica(saying(b"")) as there:
        with pytest.raises(Broken, match="broke off"):
            await ask(there, b"POST", body=body())
