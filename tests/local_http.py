"""Honest local HTTP servers for tests: a handler, a real socket, a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]


def asgi(handler: Handler) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handler(Request(scope, receive))
        await response(scope, receive, send)

    return app


@asynccontextmanager
async def serving(
    app: ASGIApp, *, lifespan: bool = False, port: int = 0, http: type[asyncio.Protocol] | None = None
) -> AsyncIterator[str]:
    """Serves on a loopback port, a free one by default, and yields the address."""
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="on" if lifespan else "off",
        timeout_graceful_shutdown=1,
        http=http or "auto",
    )
    server = uvicorn.Server(config)
    # With the protocol named, asyncio turns Nagle's algorithm off: else every answer waits 40 ms for an ack.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        task = asyncio.create_task(server.serve(sockets=[listener]), name="local-http")
        try:
            await until(lambda: server.started or task.done())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def until(condition: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    """Waits for something another task or process will do."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def closed_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
