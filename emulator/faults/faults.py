"""The faults that are on: who is hit, and how often that was."""

import asyncio
import random
import signal
from collections.abc import Iterable
from typing import Any

from emulator.faults.fault import Fault
from emulator.replica import Replica

MOST_FAULTS = 100


class Armed:
    """A fault that is on. `off` ends whatever waits because of it."""

    def __init__(self, name: str, fault: Fault) -> None:
        self.name = name
        self.fault = fault
        self.seen = 0
        self.hits = 0
        self.off = asyncio.Event()
        self._random = random.Random(fault.seed)  # noqa: S311 - to be repeated, not to be secret
        self._held: dict[str, asyncio.Event] = {}

    def draw(self) -> bool:
        self.seen += 1
        hit = self._random.random() < self.fault.rate
        self.hits += hit
        return hit

    async def delay(self) -> None:
        await _either(self.off, self.fault.delay_ms / 1000)

    async def hold(self, key: str) -> None:
        """Until the next request to that function has passed; one at a time, so that there always is a next one."""
        if key in self._held:
            return
        passed = self._held[key] = asyncio.Event()
        try:
            await _either(passed, self.fault.delay_ms / 1000)
        finally:
            del self._held[key]

    def passed(self, key: str) -> None:
        if key in self._held:
            self._held[key].set()

    def end(self) -> None:
        self.off.set()
        for passed in self._held.values():
            passed.set()

    def to_json(self) -> dict[str, Any]:
        return {"id": self.name, **self.fault.to_json(), "seen": self.seen, "hits": self.hits}


class TooMany(Exception):
    """So many faults are on that one more cannot be meant."""


class Faults:
    """None is on at first; none outlives the emulator."""

    def __init__(self) -> None:
        self._armed: dict[str, Armed] = {}
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._armed)

    def arm(self, fault: Fault) -> str:
        """The name to call it off by. Raises `TooMany`."""
        if len(self._armed) >= MOST_FAULTS:
            raise TooMany
        self._count += 1
        name = f"f{self._count}"
        self._armed[name] = Armed(name, fault)
        return name

    def call_off(self, name: str | None = None) -> list[str]:
        """All of them without a name. Which ones it was."""
        names = [each for each in self._armed if name in (None, each)]
        for each in names:
            self._armed.pop(each).end()
        return names

    def listed(self) -> list[dict[str, Any]]:
        return [armed.to_json() for armed in self._armed.values()]

    def drawn(self, key: str, via: str) -> list[Armed]:
        """What hits this request, of all but `kill`."""
        return [armed for armed in self._concerned(key, via) if armed.fault.kind != "kill" and armed.draw()]

    def passed(self, key: str) -> None:
        """A request to this function is over."""
        for armed in self._armed.values():
            armed.passed(key)

    def admitted(self, key: str, replica: Replica) -> None:
        """A replica is about to get a request, and may be killed with it."""
        for armed in self._concerned(key, "all"):
            if armed.fault.kind == "kill" and armed.draw():
                self._kill(armed, replica)

    def _kill(self, armed: Armed, replica: Replica) -> None:
        replica.fate = f"killed by fault {armed.name}"
        if armed.fault.delay_ms:
            loop = asyncio.get_running_loop()
            loop.call_later(armed.fault.delay_ms / 1000, replica.process.send_signal, signal.SIGKILL)
        else:
            replica.process.send_signal(signal.SIGKILL)

    def _concerned(self, key: str, via: str) -> Iterable[Armed]:
        return [armed for armed in self._armed.values() if armed.fault.concerns(key, via)] if self._armed else ()


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
