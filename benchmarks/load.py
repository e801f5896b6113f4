"""Load over keep-alive connections, as light as Python can make it, so that it measures the other end."""

import asyncio
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """`raw` is what goes over the wire, again and again; every answer must have the status and a declared length."""

    host: str
    port: int
    raw: bytes
    status: int

    @classmethod
    def post(cls, url: str, body: bytes, headers: Sequence[tuple[str, str]] = (), status: int = 200) -> "Request":
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return cls(parts.hostname, parts.port, "\r\n".join((*lines, "", "")).encode() + body, status)


def one_by_one(request: Request, count: int) -> list[float]:
    """Seconds of each of `count` calls over one connection, with nothing but the kernel in between."""
    took = []
    with socket.create_connection((request.host, request.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            connection.sendall(request.raw)
            data = connection.recv(65_536)
            while not (size := _answer_size(data, request.status)) or len(data) < size:
                more = connection.recv(65_536)
                if not more:
                    raise ConnectionError(f"closed after {data!r}")
                data += more
            took.append(time.perf_counter() - began)
    return took


async def at_once(request: Request, connections: int, seconds: float) -> tuple[float, list[float]]:
    """Requests a second over so many connections, and the seconds of each call."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    clients = [_Client(request, until) for _ in range(connections)]
    began = time.perf_counter()
    for client in clients:
        await loop.create_connection(lambda client=client: client, request.host, request.port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))
    took = [each for client in clients for each in client.took]
    return len(took) / (time.perf_counter() - began), took


class _Client(asyncio.Protocol):
    def __init__(self, request: Request, until: float) -> None:
        self.took: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._until = until
        self._data = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._data += data
        size = _answer_size(self._data, self._request.status)
        if not size or len(self._data) < size:
            return
        now = time.perf_counter()
        self.took.append(now - self._began)
        if asyncio.get_running_loop().time() < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            early = asyncio.get_running_loop().time() < self._until
            if exc or early:
                self.done.set_exception(exc or ConnectionError(f"closed after {self._data!r}"))
            else:
                self.done.set_result(None)

    def _send(self) -> None:
        self._data = b""
        self._began = time.perf_counter()
        self._transport.write(self._request.raw)


def _answer_size(data: bytes, status: int) -> int:
    """How long the whole answer is; 0 while its head is not all there. Raises `ValueError` for another status."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    if int(data[9:12]) != status:
        raise ValueError(f"not {status}: {data[:300]!r}")
    found = _LENGTH.search(data, 0, head)
    if found is None and status != 204:
        raise ValueError(f"an answer without a length: {data[:300]!r}")
    return head + 4 + (int(found[1]) if found else 0)
