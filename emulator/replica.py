"""One replica: a process of a function, its address, and what its start cost."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from emulator.cold_starts import ColdStart, How
from emulator.processes import Process
from emulator.upstream.pool import Pool

State = Literal["starting", "ready", "draining", "gone"]


class Replica:
    """`in_flight` belongs to the activator. `fate` says why it had to be ended, if it had.

    `tell` hears of the cold start when the replica is ready, and once more at its first byte.
    """

    def __init__(
        self,
        name: str,
        port: int,
        process: Process,
        scratch: Path,
        began_s: float,
        tell: Callable[[ColdStart], None],
        *,
        how: How = "exec",
    ) -> None:
        self.name = name
        self.port = port
        self.process = process
        self.state: State = "starting"
        self.in_flight = 0
        self.empty = asyncio.Event()
        self.base_url = f"http://127.0.0.1:{port}"
        self.pool = Pool(port)
        self._scratch = scratch
        self._tell = tell
        self._how = how
        self._began_s = began_s
        self._spawned_s = time.monotonic()
        self.spawned_at = time.time()
        self.ready_s: float | None = None
        self.fate = ""
        self._given_s: float | None = None
        self._first_byte_s: float | None = None

    @property
    def cold_start(self) -> ColdStart | None:
        if self.ready_s is None:
            return None
        first, given = self._first_byte_s, max(self._given_s or 0.0, self.ready_s)
        return ColdStart(
            spawn_ms=_ms(self._spawned_s - self._began_s),
            ready_ms=_ms(self.ready_s - self._began_s),
            first_byte_ms=None if first is None else _ms(self.ready_s - self._began_s + first - given),
            how=self._how,
        )

    def became_ready(self) -> None:
        self.state = "ready"
        self.ready_s = time.monotonic()
        self._say()

    def given(self) -> None:
        """A request: the time that nobody asked for anything is no part of the cold start."""
        if self._given_s is None:
            self._given_s = time.monotonic()

    def answered(self) -> None:
        """The first byte of an answer came back."""
        if self._first_byte_s is None:
            self._first_byte_s = time.monotonic()
            self._say()

    def drained(self) -> None:
        self.empty.set()

    async def retire(self, drain_s: float, grace_s: float) -> None:
        """For a replica that gets no new requests: lets those it has end, asks it to stop, then kills it."""
        self.state = "draining"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self.empty.wait()
        await self.process.stop(grace_s)

    def clean_up(self) -> None:
        self.pool.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _say(self) -> None:
        if self.cold_start is not None:
            self._tell(self.cold_start)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
