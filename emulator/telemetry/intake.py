"""Between those who send spans and the disk: what comes while a batch is written makes up the next one."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

from emulator.telemetry.bounds import Bounds
from emulator.telemetry.measures import KEPT, NO_SPAN, NOT_WRITTEN, TOO_MANY, TRACE_FULL, SpanCounts
from emulator.telemetry.store import SpanStore
from observe.received import Span

MOST_WAITING: Final = 50_000

_log = logging.getLogger(__name__)


class Intake:
    """`async with Intake(path, bounds) as intake`. Nobody waits for the disk; who comes when it is full is told so."""

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        counts: SpanCounts,
        *,
        ratio: float = 1.0,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._bounds = bounds
        self._counts = counts
        self._ratio = ratio
        self._most_waiting = most_waiting
        self._clock = clock
        self._waiting: list[Span] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="telemetry")

    async def __aenter__(self) -> Self:
        self._store = await self._in_thread(SpanStore.open, self._path, self._bounds)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.written()
        await self._in_thread(self._store.close)
        self._thread.shutdown(wait=False)

    def take(self, spans: Sequence[Span], left_out: int = 0) -> bool:
        """False, and nothing taken, when too many wait for the disk. `left_out` came along and were none."""
        if len(self._waiting) + len(spans) > self._most_waiting:
            self._counts.add(TOO_MANY, len(spans))
            return False
        self._counts.add(NO_SPAN, left_out)
        self._waiting += spans
        self._counts.wait(len(self._waiting))
        if self._waiting and self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="telemetry")
        return True

    async def written(self) -> None:
        """Returns when nothing waits."""
        while self._writing is not None:
            await asyncio.wait({self._writing})

    def status(self) -> dict[str, Any]:
        """Spans since the start of this process, and which part of all traces those who send are told to keep."""
        return {
            "kept": self._counts.kept,
            "dropped": self._counts.dropped,
            "waiting": len(self._waiting),
            "ratio": self._ratio,
        }

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                self._counts.wait(0)
                await self._write_one(batch)
        finally:
            self._writing = None

    async def _write_one(self, batch: Sequence[Span]) -> None:
        try:
            without_room: int = await self._in_thread(self._store.add, batch, self._clock())
        except sqlite3.Error as error:
            _log.warning("%d spans were not kept: %s", len(batch), error)
            self._counts.add(NOT_WRITTEN, len(batch))
        else:
            self._counts.add(KEPT, len(batch) - without_room)
            self._counts.add(TRACE_FULL, without_room)

    async def _in_thread(self, call: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - what `call` gives
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)
