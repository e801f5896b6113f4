"""A connection to a replica, on a bare socket.

A transport of asyncio's gives up an answer that has arrived once it cannot write any more. Functions do answer before
they have read all that they are sent, and then close: what they said must not be lost for it.
"""

import asyncio
import socket

from emulator.upstream.answer import Answer, Broken

CONNECT_S = 5.0
HELD_BYTES = 256 * 1024
_READ_BYTES = 256 * 1024


class Connection:
    """Carries one exchange at a time: `begin`, then writes and reads in any order, until `reusable` or `close`."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._answer: Answer | None = None
        self._failure: Broken | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._reading = False
        self._deaf = False
        self._ended = False
        self.closed = False
        self._read_on()

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Raises `OSError`."""
        fresh = socket.socket()
        try:
            fresh.setblocking(False)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(fresh, ("127.0.0.1", port))
        except BaseException as exc:
            fresh.close()
            if isinstance(exc, TimeoutError):
                raise Broken("the replica takes no connection") from exc
            raise
        return cls(fresh)

    def begin(self, answer: Answer) -> None:
        """What comes from now on is that answer."""
        self._answer = answer

    def write_at_once(self, data: bytes) -> bytes:
        """As much as the other end takes without waiting; returns the rest."""
        if self._deaf:
            return b""
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return data
        except OSError:
            self._deaf = True
            return b""
        return data[sent:] if sent < len(data) else b""

    async def write(self, data: bytes) -> None:
        """What nobody reads any more is thrown away: the answer tells why."""
        while data := self.write_at_once(data):
            await self._writable()

    async def arrival(self) -> None:
        """Until something more of the answer is there. Raises `Broken` when nothing more will come."""
        if self._failure is not None:
            raise self._failure
        self._arrival = self._loop.create_future()
        self._read_on()
        try:
            await self._arrival
        finally:
            self._arrival = None
        if self._failure is not None:
            raise self._failure

    def abandon(self, failure: Broken) -> None:
        """Whoever waits for the answer is told."""
        self._failure = failure
        self._wake()

    def finish(self) -> bool:
        """After the exchange: whether another may follow."""
        answer, self._answer = self._answer, None
        good = answer is not None and answer.complete and answer.keeps_alive
        if good and not self._ended and not self._deaf and self._failure is None:
            self._read_on()
            return True
        self.close()
        return False

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._stop_reading()
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _read_on(self) -> None:
        if not self._reading and not self._ended and not self.closed:
            self._reading = True
            self._loop.add_reader(self._socket, self._readable)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if self._answer is None:  # nobody asked: it closes, or is out of step
            self.close()
            return
        try:
            self._came(self._answer, data)
        except Broken as exc:
            self._failure = exc
        if self._failure is not None or self._answer.held_bytes > HELD_BYTES:
            self._stop_reading()
        self._wake()

    def _came(self, answer: Answer, data: bytes) -> None:
        if data:
            answer.feed(data)
        else:
            self._ended = True
            self._stop_reading()
            answer.end()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def _writable(self) -> None:
        room: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(self._socket, _resolve, room)
        try:
            await room
        finally:
            if not self.closed:
                self._loop.remove_writer(self._socket)


def _resolve(room: "asyncio.Future[None]") -> None:
    if not room.done():
        room.set_result(None)
