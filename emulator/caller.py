"""The one who calls a function: what he sends, as it comes, and whether he is still there."""

import asyncio
from collections.abc import AsyncIterator

from emulator.asgi import Receive

WATCH_AFTER_S = 1.0


class RequestBody:
    """Whole when it came in one message, else a stream. `over` once nothing of it is left."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.over = False

    async def start(self) -> bytes | AsyncIterator[bytes]:
        first = await self._receive()
        if first["type"] == "http.disconnect":
            raise ConnectionResetError("the caller went away")
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
                raise ConnectionResetError("the caller went away")
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk
        self.over = True


class CallerWatch:
    """Ends a long exchange when its client goes away. Short ones are not watched: a task each would cost more."""

    def __init__(self, receive: Receive, body: RequestBody) -> None:
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
            self._watcher = self._loop.create_task(self._watch(), name="caller watch")
        else:
            self._timer = self._loop.call_later(WATCH_AFTER_S, self._begin)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        assert self._exchange is not None
        self._exchange.cancel()
