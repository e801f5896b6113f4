"""The one port of the emulator: uvicorn, run from within, without signals or logs of its own."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator

import uvicorn

from emulator.asgi import App
from shared.errors import Conflict, InvalidInput

BACKLOG = 4096


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, or an error that names the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off: else every answer waits 40 ms for an ack.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            raise Conflict(
                "port_taken", f"port {port} is in use by another process; choose another", field="port"
            ) from exc
        raise InvalidInput("port_refused", f"port {port} on {host}: {exc.strerror}", field="port") from exc
    listener.setblocking(False)
    return listener


class Server(uvicorn.Server):
    """`stop` takes no new connections, lets requests end for `drain_s`, then cuts them off."""

    def __init__(self, app: App, listener: socket.socket, drain_s: float) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, int(drain_s)),
        )
        super().__init__(config)
        # Cutting an answer off is how a broken replica is passed on: nothing to print a stack trace for.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._listener = listener
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._serving = asyncio.create_task(self.serve(sockets=[self._listener]), name="server")
        while not self.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self.should_exit = True
        if self._serving is not None:
            await self._serving
        self._listener.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
