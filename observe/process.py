"""What the kernel knows of this process, under the names that every Prometheus client gives it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from observe.instruments import About, Counter, Gauge

_SELF: Final = Path("/proc/self")
_IMPORTED_AT: Final = time.time()


def started_at(pid: int | None = None) -> float:
    """When this process began, or another, in seconds since 1970: a forked one began with the fork."""
    try:
        ticks = int(_stat(pid)[19])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return _IMPORTED_AT


def process_numbers() -> "Iterator[Counter[()] | Gauge[()]]":
    """Where there is no /proc, only what any system tells."""
    cpu = Counter[()](_about("process_cpu_seconds_total", "Processor time, user and system."))
    cpu.inc(by=time.process_time())
    yield cpu
    yield _gauge("process_start_time_seconds", "When the process began, since 1970.", started_at())
    try:
        stat, files = _stat(), sum(1 for _ in (_SELF / "fd").iterdir())
    except OSError:
        return
    yield _gauge("process_virtual_memory_bytes", "Address space.", int(stat[20]))
    yield _gauge("process_resident_memory_bytes", "Memory in use.", int(stat[21]) * os.sysconf("SC_PAGE_SIZE"))
    yield _gauge("process_open_fds", "Open file descriptors.", files)


def _stat(pid: int | None = None) -> list[str]:
    """What follows the program's name, which may hold anything."""
    return (_SELF.with_name(str(pid or "self")) / "stat").read_text().rpartition(")")[2].split()


def _gauge(name: str, meaning: str, value: float) -> "Gauge[()]":
    gauge = Gauge[()](_about(name, meaning))
    gauge.set(value)
    return gauge


def _about(name: str, meaning: str) -> About:
    return About(name, meaning, (), lambda _: None)
