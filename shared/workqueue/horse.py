"""What runs in the process that RQ forks for a wake-up: an event loop that ends cleanly when it is told to."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from shared.errors import Unavailable
from shared.workqueue.drain import DrainReport
from shared.workqueue.periodic import periodically
from shared.workqueue.wake import Waker

log = logging.getLogger(__name__)

Work: TypeAlias = Callable[[asyncio.Event, Callable[[], Awaitable[None]]], Awaitable[DrainReport]]


def run_wake_up(waker: Waker, slot: int, work: Work) -> None:
    """Runs `work(stop, saturated)` and asks for another wake-up if it left work behind.

    `stop` is set by SIGTERM, and when the parent is gone: nobody else would tell an orphan. `saturated` wakes the next
    slot.
    """
    asyncio.run(_run(waker, slot, work))


async def _run(waker: Waker, slot: int, work: Work) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    watch = periodically(1.0, _stop_when_orphaned(stop, os.getppid()), "parent watch")
    try:
        await _hint(waker.started(slot))
        report = await work(stop, lambda: _hint(waker.wake(slot + 1)))
        log.info("wake-up done", extra={"count": report.published})
        if report.more or stop.is_set():
            await _hint(waker.wake(slot))
    finally:
        watch.cancel()
        waker.close()


def _stop_when_orphaned(stop: asyncio.Event, parent: int) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if os.getppid() != parent:
            stop.set()

    return check


async def _hint(call: Awaitable[object]) -> None:
    """Redis holds only hints: work goes on without it."""
    try:
        await call
    except Unavailable as exc:
        log.warning("no wake-up sent: %s", exc.message, extra={"code": exc.code})
