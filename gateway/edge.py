"""What holds for every request before a route sees it: an id, a bound on the body, a place for its errors."""

import asyncio
import logging
import re
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import problem

if TYPE_CHECKING:
    from starlette.responses import Response

# How long a client may pause in the middle of a body.
BODY_PATIENCE_S = 20.0

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """Honours a sane X-Request-Id or makes one; it is on the response, in problems and in logs.

    `answer_headers` in the request's state go on the response as well, whoever writes it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.update(scope["state"].get("answer_headers", {}))
            await send(message)

        await self._app(scope, receive, send_with_id)


class Contained:
    """Logs a bug under its request's id. Once it is answered, it is over: from a server that hears of it, the requests
    that come next on the same connection get no answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def send_noting(message: Message) -> None:
            nonlocal answered
            await send(message)
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, send_noting)
        except Exception:
            if not answered:
                raise
            about = {"code": "internal_error", "request_id": scope["state"]["request_id"]}
            logging.getLogger(__name__).exception("request failed", extra=about)


class BodyLimit:
    """Refuses a body over `limit_bytes`, announced or not, or that stops on its way; `larger` names paths that may take
    more."""

    def __init__(
        self, app: ASGIApp, *, limit_bytes: int, larger: dict[str, int], patience_s: float = BODY_PATIENCE_S
    ) -> None:
        self._app = app
        self._patience_s = patience_s
        self._limit_bytes = limit_bytes
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit_bytes)
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            await _too_large(scope, limit)(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit, self._patience_s), send)


def _counted(receive: Receive, limit: int, patience_s: float) -> Receive:
    seen, complete = 0, False

    async def receive_counted() -> Message:
        nonlocal seen, complete
        if complete:  # nothing comes any more but the client's leaving, and that may take its time
            return await receive()
        try:
            async with asyncio.timeout(patience_s):
                message = await receive()
        except TimeoutError:
            raise HTTPException(
                408, f"the body stopped for more than {patience_s:g} s", {"Connection": "close"}
            ) from None
        complete = not message.get("more_body", False)
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, f"the body is over {limit} bytes")
        return message

    return receive_counted


def _too_large(scope: Scope, limit: int) -> "Response":
    return problem(Request(scope), 413, "content_too_large", f"the body is over {limit} bytes")
