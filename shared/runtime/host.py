"""Hosts a function over uvicorn, without what a function does not need."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec
from typing import TypeVar

from shared.runtime.app import FunctionApp
from shared.runtime.function import Function
from shared.runtime.resources import Resources
from shared.runtime.startup import starting
from shared.settings import Environment

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Where to listen, and how long requests in flight may take after SIGTERM."""

    host: str = "127.0.0.1"
    port: int = 8080
    drain_s: float = 30.0

    @classmethod
    def read(cls, env: Environment) -> "HostSettings":
        return cls(env.listen_host(), env.integer("PORT", 8080), env.number("DRAIN_SECONDS", 30.0))


def main(service: str, build: Callable[[], Function[R]]) -> None:
    """A function's process: reads its settings, then serves."""
    with starting(service):
        function, settings = build(), HostSettings.read(Environment(os.environ))
    serve(function, settings)


def serve(function: Function[R], settings: HostSettings) -> None:
    """Listens until SIGTERM, drains, closes the resources and ends the process: with 0, or 1 if any of that failed."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    _leave_out_the_command_line()
    sys.exit(asyncio.run(_run(function, settings)))


async def _run(function: Function[R], settings: HostSettings) -> int:
    from shared.runtime.server import FunctionServer  # noqa: PLC0415

    resources = Resources(function.open)
    app = FunctionApp(function, resources)
    server = FunctionServer(app, host=settings.host, port=settings.port, drain_s=settings.drain_s, on_drain=app.drain)
    resources.holder.add_done_callback(lambda _: server.stop())
    await server.serve()
    await resources.close()
    return 1 if resources.failed or server.cut_off else 0


def _leave_out_the_command_line() -> None:
    """Makes the package uvicorn without running its `__init__`, which imports click and multiprocessing: 20 ms."""
    spec = find_spec("uvicorn")
    if spec is None or "uvicorn" in sys.modules:
        return
    package = sys.modules["uvicorn"] = module_from_spec(spec)
    from uvicorn.config import Config  # noqa: PLC0415
    from uvicorn.server import Server  # noqa: PLC0415

    vars(package).update(Config=Config, Server=Server)
