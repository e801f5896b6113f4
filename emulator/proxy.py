"""Carries a request to a replica and the answer back, as both arrive, holding it while the function starts."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol

from emulator.activator import Closed, QueueFull
from emulator.asgi import Header, Receive, Scope, Send, answer
from emulator.caller import CallerWatch, RequestBody
from emulator.exchange import CallHeaders
from emulator.openfaas.limits import Limits
from emulator.replica import Replica
from emulator.revision import AtZero, Revision
from emulator.upstream.exchange import Exchange
from emulator.upstream.request import Request

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"))
TEXT = b"text/plain; charset=utf-8"
PLATFORM_ERROR = (b"x-openfaas-internal", b"proxy")
WATCHDOG_ERROR = (b"x-openfaas-internal", b"of-watchdog")
MIDDLEWARE_ERROR = (b"x-openfaas-internal", b"faas-middleware")


class Meter(Protocol):
    """Hears of every call by the function's key; `ended` with the status of the answer, where there was one."""

    def began(self, key: str) -> None: ...

    def ended(self, key: str, status: int, seconds: float) -> None: ...


class Proxy:
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def forward(self, revision: Revision, scope: Scope, receive: Receive, send: Send, path: bytes) -> None:
        """`path` is what the function sees, still encoded. The time limit counts the waiting."""
        if scope["method"] not in METHODS:
            await answer(send, 405)
            return
        key = revision.spec.key
        self._meter.began(key)
        forwarding = _Forwarding(revision, scope, send, path)
        body = RequestBody(receive)
        watch = CallerWatch(receive, body)
        try:
            async with asyncio.timeout(revision.spec.resources.timeout_s):
                await forwarding.run(body)
        except TimeoutError:
            await forwarding.fail(504, f"{revision.spec.name}: request timeout{forwarding.why()}")
        except QueueFull:
            await forwarding.fail(503, "pending request queue full")
        except AtZero:
            why = f"{revision.spec.name}: at zero, and only work in its queue {revision.spec.queue} starts it"
            await forwarding.fail(503, why)
        except Closed:
            await forwarding.fail(404, f"{revision.spec.name}: no longer deployed")
        except OSError:
            await forwarding.fail(502, f"{revision.spec.name}: the replica gave no answer")
        except asyncio.CancelledError:
            if not watch.gone:
                raise
        finally:
            watch.close()
            if forwarding.status is not None:
                self._meter.ended(key, forwarding.status, forwarding.seconds)


class _Forwarding:
    def __init__(self, revision: Revision, scope: Scope, send: Send, path: bytes) -> None:
        self._revision = revision
        self._method: str = scope["method"]
        self._send = send
        self._headers = CallHeaders(scope)
        query = scope["query_string"]
        self._target = path + b"?" + query if query else path
        self._replica: Replica | None = None
        self.status: int | None = None

    async def run(self, body: RequestBody) -> None:
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

    async def _say(self, status: int, body: bytes, content_type: bytes, *more: Header) -> None:
        if self.status is None:
            self.status = status
            await answer(self._send, status, body, content_type, *more, *self._headers.ours())

    async def _limited(self, limits: Limits, replica: Replica, body: RequestBody) -> None:
        """As the watchdog in front of the function would."""
        if limits.in_flight and replica.in_flight > limits.in_flight:
            text = f"Concurrent request limit exceeded. Max concurrent requests: {limits.in_flight}\n"
            await self._say(429, text.encode(), b"text/plain", MIDDLEWARE_ERROR)
            return
        exec_s = limits.shortened(self._headers.given(b"x-timeout"))
        try:
            async with asyncio.timeout(exec_s) as limit:
                await self._call(replica, await body.start(), limits.write_s)
        except TimeoutError:
            if not limit.expired():
                raise
            kind = (b"content-type", (self._headers.given(b"content-type") or "text/plain").encode("latin-1"))
            await self._say(504, b"", TEXT, WATCHDOG_ERROR, kind)

    async def _call(self, replica: Replica, body: bytes | AsyncIterator[bytes], write_s: float | None = None) -> None:
        began_s = time.monotonic()
        headers = self._headers
        request = Request(self._method.encode(), self._target, headers.forwarded, body, headers.length)
        async with Exchange(replica.pool, request) as exchange:
            replica.answered()
            if write_s is not None and time.monotonic() - began_s > write_s:
                raise ConnectionResetError("the watchdog's time to write an answer was over")
            self.status = exchange.status
            told = headers.answered(exchange.status, exchange.headers)
            await self._send({"type": "http.response.start", "status": exchange.status, "headers": told})
            over = False
            while not over:
                piece = await exchange.read()
                over = exchange.over
                await self._send({"type": "http.response.body", "body": piece, "more_body": not over})
