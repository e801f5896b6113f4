"""The ASGI vocabulary, and short answers of the emulator's own."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]


class App(Protocol):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


async def answer(
    send: Send, status: int, body: bytes = b"", content_type: bytes = b"text/plain; charset=utf-8", *extra: Header
) -> None:
    """A whole response with a known length."""
    headers = [(b"content-length", str(len(body)).encode()), *extra]
    if body:
        headers.append((b"content-type", content_type))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer_text(send: Send, status: int, text: str) -> None:
    await answer(send, status, f"{text}\n".encode())


async def answer_json(send: Send, status: int, value: object) -> None:
    await answer(send, status, json.dumps(value).encode(), b"application/json")
