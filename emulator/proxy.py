"""Carries a request to a replica and the answer back, as both arrive, holding it while the function starts."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol

import aiohttp
from yarl import URL

from emulator.activator import Closed, QueueFull
from emulator.asgi import Header, Receive, Scope, Send, answer
from emulator.exchange import CallHeaders
from emulator.openfaas.limits import Limits
from emulator.replica import Replica
from emulator.revision import Revision

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"))
# Shorter than any server's own, so that we never write into a connection that its other end just gave up.
KEEP_ALIVE_S = 1.5
WATCH_AFTER_S = 1.0
TEXT = b"text/plain; charset=utf-8"
PLATFORM_ERROR = (b"x-openfaas-internal", b"proxy")
WATCHDOG_ERROR = (b"x-openfaas-internal", b"of-watchdog")
MIDDLEWARE_ERROR = (b"x-openfaas-internal", b"faas-middleware")


def open_session() -> aiohttp.ClientSession:
    """Passes everything on as it is: no redirects, cookies, decompression, headers or time limits of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        max_line_size=65_536,
        max_field_size=65_536,
    )


class _RequestBody:
    """Whole when it came in one message, else a stream. `over` once nothing of it is left."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.over = False

    async def start(self) -> bytes | AsyncIterator[bytes]:
        first = await self._receive()
        if first["type"] == "http.disconnect":
            raise ConnectionResetError("the client went away")
        body: bytes = first.get("body", b"")
        if not first.get("more_body", False):
            self.over = True
            return body
        return self._stream(body)

    async def _stream(self, first: bytes) -> AsyncIterator[bytes]:
        if first:
            yield first
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client went away")
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk
        self.over = True


class _ClientWatch:
    """Ends a long exchange when its client goes away. Short ones are not watched: a task each would cost more."""

    def __init__(self, receive: Receive, body: _RequestBody) -> None:
        self._receive = receive
        self._body = body
        self._loop = asyncio.get_running_loop()
        self._exchange = asyncio.current_task()
        self._timer = self._loop.call_later(WATCH_AFTER_S, self._begin)
        self._watcher: asyncio.Task[None] | None = None
        self.gone = False

    def close(self) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        if self._body.over:
            self._watcher = self._loop.create_task(self._watch(), name="client watch")
        else:
            self._timer = self._loop.call_later(WATCH_AFTER_S, self._begin)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        assert self._exchange is not None
        self._exchange.cancel()


class Meter(Protocol):
    """Hears of every call by the function's key; `ended` with the status of the answer, where there was one."""

    def began(self, key: str) -> None: ...

    def ended(self, key: str, status: int, seconds: float) -> None: ...


class Proxy:
    def __init__(self, session: aiohttp.ClientSession, meter: Meter) -> None:
        self._session = session
        self._meter = meter

    async def forward(self, revision: Revision, scope: Scope, receive: Receive, send: Send, path: bytes) -> None:
        """`path` is what the function sees, still encoded. The time limit counts the waiting."""
        if scope["method"] not in METHODS:
            await answer(send, 405)
            return
        key = revision.spec.key
        self._meter.began(key)
        exchange = _Exchange(self._session, revision, scope, send, path)
        body = _RequestBody(receive)
        watch = _ClientWatch(receive, body)
        try:
            async with asyncio.timeout(revision.spec.resources.timeout_s):
                await exchange.run(body)
        except TimeoutError:
            await exchange.fail(504, f"{revision.spec.name}: request timeout{exchange.why()}")
        except QueueFull:
            await exchange.fail(503, "pending request queue full")
        except Closed:
            await exchange.fail(404, f"{revision.spec.name}: no longer deployed")
        except (aiohttp.ClientError, OSError):
            await exchange.fail(502, f"{revision.spec.name}: the replica gave no answer")
        except asyncio.CancelledError:
            if not watch.gone:
                raise
        finally:
            watch.close()
            if exchange.status is not None:
                self._meter.ended(key, exchange.status, exchange.seconds)


class _Exchange:
    def __init__(
        self, session: aiohttp.ClientSession, revision: Revision, scope: Scope, send: Send, path: bytes
    ) -> None:
        self._session = session
        self._revision = revision
        self._method: str = scope["method"]
        self._send = send
        self._headers = CallHeaders(scope)
        query = scope["query_string"]
        self._target = (path + b"?" + query if query else path).decode("latin-1")
        self._replica: Replica | None = None
        self.status: int | None = None

    async def run(self, body: _RequestBody) -> None:
        self._revision.invocations += 1
        activator, replica = await self._revision.admit()
        self._replica = replica
        try:
            limits = self._revision.limits
            if limits is None:
                await self._call(replica, await body.start())
            else:
                await self._limited(limits, replica, body)
        finally:
            activator.release(replica)

    @property
    def seconds(self) -> float:
        return self._headers.seconds()

    def why(self) -> str:
        """What a caller who waited in vain should know."""
        if self._replica is not None or not self._revision.failures:
            return ""
        return f" while waiting for a replica ({self._revision.reason})"

    async def fail(self, status: int, text: str) -> None:
        """Once an answer has begun it can only be cut off: the server does so when we return without its end."""
        await self._say(status, f"{text}\n".encode(), TEXT, PLATFORM_ERROR)

    async def _say(self, status: int, body: bytes, content_type: bytes, who: Header) -> None:
        if self.status is None:
            self.status = status
            await answer(self._send, status, body, content_type, who, *self._headers.ours())

    async def _limited(self, limits: Limits, replica: Replica, body: _RequestBody) -> None:
        """As the watchdog in front of the function would."""
        if limits.in_flight and replica.in_flight > limits.in_flight:
            text = f"Concurrent request limit exceeded. Max concurrent requests: {limits.in_flight}\n"
            await self._say(429, text.encode(), b"text/plain", MIDDLEWARE_ERROR)
            return
        exec_s = limits.shortened(self._headers.forwarded.get("x-timeout"))
        try:
            async with asyncio.timeout(exec_s) as limit:
                await self._call(replica, await body.start(), limits.write_s)
        except TimeoutError:
            if not limit.expired():
                raise
            await self._say(504, b"", TEXT, WATCHDOG_ERROR)

    async def _call(self, replica: Replica, body: bytes | AsyncIterator[bytes], write_s: float | None = None) -> None:
        began_s = time.monotonic()
        async with self._session.request(
            self._method,
            URL(replica.base_url + self._target, encoded=True),
            headers=self._headers.forwarded,
            data=body or None,
            allow_redirects=False,
        ) as response:
            replica.answered()
            if write_s is not None and time.monotonic() - began_s > write_s:
                raise ConnectionResetError("the watchdog's time to write an answer was over")
            self.status = response.status
            headers = self._headers.answered(response.status, response.raw_headers)
            await self._send({"type": "http.response.start", "status": response.status, "headers": headers})
            async for chunk in response.content.iter_any():
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})
