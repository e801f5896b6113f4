"""A request's body, read once so that it can be sent twice."""

import asyncio

from emulator.asgi import Message, Receive

MAX_KEPT_BYTES = 16 * 1024 * 1024


class KeptBody:
    """`content` is None when there is more of it than can be kept: then it goes on as a stream, once."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._begun = bytearray()
        self.content: bytes | None = None

    async def read(self) -> None:
        """Raises `ConnectionResetError` when the client leaves before the end."""
        more = True
        while more and len(self._begun) <= MAX_KEPT_BYTES:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client went away")
            self._begun += message.get("body", b"")
            more = message.get("more_body", False)
        self.content = None if more else bytes(self._begun)

    def first(self) -> Receive:
        """For who really answers the client: also hears of its leaving."""
        return self._replayed(self._receive)

    def copy(self) -> Receive:
        return self._replayed(_never)

    def _replayed(self, then: Receive) -> Receive:
        pending: list[Message] = [
            {"type": "http.request", "body": bytes(self._begun), "more_body": self.content is None}
        ]

        async def receive() -> Message:
            return pending.pop() if pending else await then()

        return receive


async def _never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
