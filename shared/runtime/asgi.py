"""Between ASGI's messages and our requests and answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias
from uuid import uuid4

from shared.errors import SluiceError, TooLarge
from shared.runtime.http import HttpRequest, HttpResponse

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Asgi: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# A client that is still writing may never read an answer: up to here the rest is read and thrown away.
_DISCARDED_BYTES = 8 * 1024 * 1024


class ClientGone(Exception):
    """Nobody is left to answer."""


class BodyTooSlow(SluiceError):
    """The request did not arrive in time."""

    retryable = True


def headers_of(scope: Scope) -> dict[str, str]:
    """Lower-case names; of a repeated header the last, since only the codec must know of repetitions."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def request_of(scope: Scope) -> HttpRequest:
    """Without its body, which is yet to come."""
    headers = headers_of(scope)
    given = headers.get("x-request-id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    query = scope.get("query_string", b"").decode("latin-1")
    return HttpRequest(scope["method"], scope["path"], query, headers, b"", request_id)


async def read_body(
    headers: Mapping[str, str], receive: Receive, limit: int, timeout_s: float, too_large: TooLarge
) -> bytes:
    """Raises `too_large` beyond `limit` bytes, having kept none of what is too much."""
    declared = headers.get("content-length", "")
    waits = headers.get("expect", "").lower() == "100-continue"
    if declared.isdecimal() and int(declared) > (limit if waits else _DISCARDED_BYTES):
        raise too_large
    try:
        async with asyncio.timeout(timeout_s):
            return await _collect(receive, limit, too_large)
    except TimeoutError as exc:
        raise BodyTooSlow("body_too_slow", f"the body did not arrive within {timeout_s:g} s") from exc


async def _collect(receive: Receive, limit: int, too_large: TooLarge) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= _DISCARDED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
    if size > limit:
        raise too_large
    return b"".join(parts)


async def write_response(send: Send, response: HttpResponse, request_id: str, *, close: bool = False) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    headers.append((b"x-request-id", request_id.encode()))
    if response.status != 204:
        headers.append((b"content-length", b"%d" % len(response.body)))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def has_left(receive: Receive) -> bool:
    """Whether the client of a fully read request is gone: servers say so at once, and otherwise stay silent."""
    listening = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    if not listening.done():
        listening.cancel()
        return False
    return bool(listening.result()["type"] == "http.disconnect")
