"""Hosts a function over uvicorn, without what a function does not need."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from typing import TypeVar

from uvicorn.config import Config
from uvicorn.server import Server

from observe import logs
from shared.runtime.app import FunctionApp
from shared.runtime.function import Function
from shared.runtime.resources import Resources
from shared.settings import Environment

R = TypeVar("R")

# Longer than the 90 s for which Go's clients keep an idle connection, so that it is they who close it.
_KEEP_ALIVE_S = 120


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Where to listen, and how long requests in flight may take after SIGTERM."""

    port: int = 8080
    drain_s: float = 30.0

    @classmethod
    def read(cls, env: Environment) -> "HostSettings":
        return cls(env.integer("PORT", 8080), env.number("DRAIN_SECONDS", 30.0))


def serve(function: Function[R], settings: HostSettings | None = None) -> None:
    """Listens until SIGTERM, drains, closes the resources and ends the process: with 0, or 1 if any of that failed."""
    logs.setup(function.name)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    chosen = settings or HostSettings.read(Environment(os.environ))
    sys.exit(asyncio.run(_run(function, chosen)))


async def _run(function: Function[R], settings: HostSettings) -> int:
    resources = Resources(function.open)
    app = FunctionApp(function, resources)
    server = _Server(_config(app, settings), app)
    resources.holder.add_done_callback(lambda _: server.stop())
    await server.serve()
    await resources.close()
    return 1 if resources.failed or server.cut_off else 0


def _config(app: FunctionApp[R], settings: HostSettings) -> Config:
    return Config(
        app,
        host="0.0.0.0",  # noqa: S104  a container's only interface
        port=settings.port,
        loop="none",
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
        timeout_graceful_shutdown=settings.drain_s,  # type: ignore[arg-type]
    )


class _Server(Server):
    """uvicorn's, but SIGTERM ends in exit status 0: there, the signal is raised again after the drain."""

    def __init__(self, config: Config, app: FunctionApp[R]) -> None:
        super().__init__(config)
        self._app = app
        self.cut_off = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        yield

    def stop(self) -> None:
        self._app.draining = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await super().shutdown(sockets)
        self.cut_off = bool(self.server_state.tasks)
