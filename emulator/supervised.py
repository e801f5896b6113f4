"""A server that must always run: started, watched, started again when it dies."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from typing import Protocol

from emulator.logs import RotatingLog
from emulator.processes import Process, describe_exit
from emulator.scaling import crash_delay_s
from shared.errors import Unavailable

START_S = 30.0
LONGEST_PAUSE_S = 2.0
POLL_S = 0.02

_log = logging.getLogger(__name__)


class Program(Protocol):
    """`prepare` clears away what a killed predecessor left. `stop_signal` asks for a clean end."""

    name: str
    stop_signal: signal.Signals

    async def prepare(self) -> None: ...

    def spawn(self, on_line: Callable[[str], None]) -> Process: ...

    async def is_ready(self, process: Process) -> bool: ...


class Supervised:
    def __init__(
        self,
        program: Program,
        log: RotatingLog,
        on_start: Callable[[Process], None],
        on_exit: Callable[[Process], None],
    ) -> None:
        self.restarts = 0
        self.process: Process | None = None
        self._program = program
        self._log = log
        self._on_start = on_start
        self._on_exit = on_exit
        self._watch: asyncio.Task[None] | None = None
        self._ready = False

    @property
    def ready(self) -> bool:
        return self._ready and self.process is not None and self.process.alive

    async def start(self) -> None:
        """Returns once it answers. Raises `Unavailable` with its last words when it does not."""
        await self._launch()
        if not self._ready:
            await self.stop()
            said = " / ".join(line.text for line in self._log.tail(3))
            raise Unavailable("service_failed", f"{self._program.name} does not start: {said}")
        self._watch = asyncio.create_task(self._keep_running(), name=f"watch {self._program.name}")

    async def stop(self, grace_s: float = 20.0) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        if self.process is not None:
            await self.process.stop(grace_s, self._program.stop_signal)

    async def _keep_running(self) -> None:
        failures = 0
        while True:
            assert self.process is not None
            code = await asyncio.shield(self.process.exited)
            failures = 0 if self._ready else failures + 1
            _log.warning("%s ended (%s) and is started again", self._program.name, describe_exit(code))
            await asyncio.sleep(min(LONGEST_PAUSE_S, crash_delay_s(failures)))
            self.restarts += 1
            await self._launch()

    async def _launch(self) -> None:
        self._ready = False
        await self._program.prepare()
        self.process = process = self._program.spawn(lambda line: self._log.write(self._program.name, line))
        self._on_start(process)
        process.exited.add_done_callback(lambda _: self._on_exit(process))
        until = time.monotonic() + START_S
        while process.alive and not self._ready and time.monotonic() < until:
            self._ready = await self._program.is_ready(process)
            if not self._ready:
                await asyncio.sleep(POLL_S)
        if not self._ready:
            await process.stop(0)
