"""What runs in the process that RQ forks for a wake-up: an event loop that ends cleanly when it is told to."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from observe import metrics, profiling, tracing
from shared.errors import Unavailable
from shared.workqueue import wake_ups
from shared.workqueue.counts import COUNTS, LAST_WORD_S, TELL_EVERY_S
from shared.workqueue.drain import DrainReport
from shared.workqueue.periodic import periodically
from shared.workqueue.wake import Waker

log = logging.getLogger(__name__)

_BUSY_SECONDS: Final = metrics.counter("sluice_worker_busy_seconds_total", "Time in wake-ups.", "queue")

Work: TypeAlias = Callable[[asyncio.Event, Callable[[], Awaitable[None]]], Awaitable[DrainReport]]


def run_wake_up(waker: Waker, slot: int, work: Work) -> None:
    """Runs `work(stop, saturated)` and asks for another wake-up if it left work behind.

    `stop` is set by SIGTERM, and when the parent is gone: nobody else would tell an orphan. `saturated` wakes the next
    slot. Everything happens in the span of the wake-up, a child of the one that sent it.
    """
    from rq import get_current_job  # noqa: PLC0415

    job = get_current_job()
    try:
        with wake_ups.of_job(job):
            asyncio.run(_run(waker, slot, work))
    finally:
        tracing.flush()
        COUNTS.tell(LAST_WORD_S)  # what nobody took of the spans
        profiling.stop()


async def _run(waker: Waker, slot: int, work: Work) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    watch = periodically(1.0, _stop_when_orphaned(stop, os.getppid()), "parent watch")
    account = _Account(waker.queue)
    counts = periodically(TELL_EVERY_S, account.tell, "counts")
    try:
        await _hint(waker.started(slot))
        report = await work(stop, lambda: _hint(waker.wake(slot + 1)))
        log.info("wake-up done", extra={"count": report.published})
        if report.more or stop.is_set():
            await _hint(waker.wake(slot))
    finally:
        watch.cancel()
        counts.cancel()
        account.close()
        waker.close()


class _Account:
    """Tells the worker what was counted here, and for how long."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._told_at = time.monotonic()

    async def tell(self) -> None:
        self._count_time()
        COUNTS.tell()

    def close(self) -> None:
        self._count_time()
        COUNTS.tell(LAST_WORD_S)

    def _count_time(self) -> None:
        now = time.monotonic()
        _BUSY_SECONDS.inc(self._queue, by=now - self._told_at)
        self._told_at = now


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
