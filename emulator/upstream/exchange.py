"""One request to a replica and its answer: the body goes out while the answer comes in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Self

from emulator.asgi import Header
from emulator.upstream.answer import Answer, Broken
from emulator.upstream.connection import Connection
from emulator.upstream.pool import Pool
from emulator.upstream.request import LAST_CHUNK, SAFE_TO_REPEAT, Request, chunk


class Exchange:
    """`async with Exchange(pool, request) as answer`: inside, the head of the answer is there, and `read` its body.

    Raises `OSError`, of which `Broken` is one, and `ValueError` for a request that is none.
    """

    def __init__(self, pool: Pool, request: Request) -> None:
        self._pool = pool
        self._request = request
        self._connection: Connection | None = None
        self._answer = Answer()
        self._sending: asyncio.Task[None] | None = None

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> list[Header]:
        return self._answer.headers

    @property
    def over(self) -> bool:
        """Whether nothing more of the body is to come."""
        return self._answer.complete and not self._answer.held_bytes

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end()

    async def read(self) -> bytes:
        """Some of the body; nothing at its end. Raises `Broken` when it breaks off."""
        answer, connection = self._answer, self._connection
        assert connection is not None
        while not answer.held_bytes and not answer.complete:
            await connection.arrival()
        return answer.take() if answer.held_bytes else b""

    async def pieces(self) -> AsyncIterator[bytes]:
        while not self.over:
            yield await self.read()

    async def _begin(self) -> None:
        """A replica may close a connection at the moment when we write into it: what may be repeated is."""
        reused = self._pool.reuse()
        if reused is not None:
            try:
                await self._ask(reused)
            except Broken:
                repeatable = self._request.method in SAFE_TO_REPEAT and self._sending is None
                if self._answer.head_came or not repeatable:
                    raise
                reused.close()
            else:
                return
        await self._ask(await self._pool.open())

    async def _ask(self, connection: Connection) -> None:
        self._connection = connection
        self._answer = Answer(to_head=self._request.method == b"HEAD")
        connection.begin(self._answer)
        self._send(connection)
        while not self._answer.head_came:
            await connection.arrival()

    def _send(self, connection: Connection) -> None:
        request = self._request
        head = request.head(b"127.0.0.1:%d" % self._pool.port)
        if isinstance(request.body, bytes):
            rest = connection.write_at_once(head + request.body)
            if rest:
                self._sending = asyncio.create_task(connection.write(rest), name="request body")
        else:
            self._sending = asyncio.create_task(self._stream(connection, head, request.body), name="request body")

    async def _stream(self, connection: Connection, head: bytes, body: AsyncIterator[bytes]) -> None:
        try:
            await connection.write(head)
            async for piece in body:
                await connection.write(chunk(piece) if self._request.chunked else piece)
            if self._request.chunked:
                await connection.write(LAST_CHUNK)
        except Exception as exc:
            broken = Broken("the request broke off")
            broken.__cause__ = exc
            connection.abandon(broken)

    def _end(self) -> None:
        """An answer before the whole request was sent, or that nobody read to its end, ends the connection."""
        if self._connection is None:
            return
        if self._sending is not None and not self._sending.done():
            self._sending.cancel()
            self._connection.close()
        elif self.over:
            self._pool.give_back(self._connection)
        else:
            self._connection.close()
