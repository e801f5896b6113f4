"""Memory limits without cgroups: the processes of every replica are weighed twice a second, and the heavy one killed.

A cluster's kernel does so at the very allocation; here a replica may be over its limit for half a second.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import psutil

from emulator.containment.allowance import MIB

PERIOD_S = 0.5
OOM_KILLED = "OOMKilled"


@dataclass(frozen=True, slots=True)
class Weighed:
    """A session of processes, by its leader; `overweight` hears how many bytes they hold when that is too much."""

    leader: int
    limit_bytes: int
    overweight: Callable[[int], None]


class MemoryWatch:
    """`everyone` says whom to weigh, each time. `run` ends with its task."""

    def __init__(self, everyone: Callable[[], Iterable[Weighed]], period_s: float = PERIOD_S) -> None:
        self._everyone = everyone
        self._period_s = period_s

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            await self.look()

    async def look(self) -> None:
        limited = {each.leader: each for each in self._everyone() if each.limit_bytes}
        if not limited:
            return
        held = await asyncio.to_thread(overweight, {leader: each.limit_bytes for leader, each in limited.items()})
        for leader, size in held.items():
            limited[leader].overweight(size)


def overweight(limits: dict[int, int]) -> dict[int, int]:
    """Leader -> bytes held, of the sessions over their limit. What processes share is counted once where it matters."""
    members = sessions(limits)
    resident: Counter[int] = Counter()
    for pid, leader in members:
        resident[leader] += _resident(pid)
    suspects = {leader for leader, size in resident.items() if size > limits[leader]}
    exact: Counter[int] = Counter()
    for pid, leader in members:
        if leader in suspects:
            exact[leader] += _proportional(pid)
    return {leader: size for leader, size in exact.items() if size > limits[leader]}


def sessions(leaders: Collection[int]) -> list[tuple[int, int]]:
    """(process, leader), of all processes in these sessions."""
    found = []
    for pid in psutil.pids():
        try:
            leader = os.getsid(pid)
        except (ProcessLookupError, PermissionError):
            continue
        if leader in leaders:
            found.append((pid, leader))
    return found


def in_words(held_bytes: int, limit_bytes: int) -> str:
    return f"{OOM_KILLED}: its processes held {held_bytes / MIB:.0f} MiB, and may hold {limit_bytes / MIB:.0f} MiB"


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _proportional(pid: int) -> int:
    """Shared pages in parts, where the system tells; else as if nothing were shared."""
    try:
        full = psutil.Process(pid).memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:
        return 0
