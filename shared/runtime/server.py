"""uvicorn as a function needs it: no command line, no lifespan, no log of its own, and a drain that ends well."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket

from uvicorn.config import Config
from uvicorn.server import Server

from shared.runtime.asgi import Asgi

# Longer than the 90 s for which Go's clients keep an idle connection, so that it is they who close it.
_KEEP_ALIVE_S = 120


class FunctionServer(Server):
    """SIGTERM ends in exit status 0, while uvicorn's own raises the signal again after the drain."""

    def __init__(self, app: Asgi, *, host: str, port: int, drain_s: float, on_drain: Callable[[], None]) -> None:
        super().__init__(_config(app, host, port, drain_s))
        self._on_drain = on_drain
        self.cut_off = False

    def stop(self) -> None:
        self._on_drain()
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        yield

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await super().shutdown(sockets)
        self.cut_off = bool(self.server_state.tasks)


def _config(app: Asgi, host: str, port: int, drain_s: float) -> Config:
    return Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        # Whole seconds are what uvicorn declares; any number is what it hands to asyncio.
        timeout_graceful_shutdown=drain_s,  # type: ignore[arg-type]
    )
