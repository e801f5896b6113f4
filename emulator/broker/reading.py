"""Takes an ASGI request apart, and watches a producer that waits."""

import asyncio
from collections.abc import Awaitable

from emulator.asgi import Receive, Scope
from emulator.broker.ingress import PREFIX

# The real ingress has no bound but the memory of its pod. Every event is held here until all who want it have it.
MAX_EVENT_BYTES = 64 * 1024 * 1024


def raw_uri(scope: Scope) -> str:
    path = scope.get("raw_path") or scope["path"].encode()
    query = b"?" + scope["query_string"] if scope.get("query_string") else b""
    return str((path + query).decode("latin-1").removeprefix(PREFIX))


class TooLong(Exception):
    """An event that is not even read to its end."""


async def read_body(scope: Scope, receive: Receive) -> bytes | None:
    """None if the producer went away in the middle. Raises `TooLong`."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if int(declared) > MAX_EVENT_BYTES:
        raise TooLong
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_EVENT_BYTES:
            raise TooLong
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def unless_gone(work: Awaitable[int], receive: Receive) -> int:
    """A producer that hangs up cancels the deliveries under way: the trap of the synchronous channel."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else 500
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
