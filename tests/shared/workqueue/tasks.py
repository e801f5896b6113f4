"""Jobs for the worker under test. RQ finds them by name in the worker's process."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from redis import Redis

from observe import metrics, tracing
from shared.workqueue.drain import DrainReport
from shared.workqueue.horse import run_wake_up
from shared.workqueue.wake import Waker

QUEUE = "probe"
_PAGES = metrics.counter("sluice_test_pages_total", "Pages.", "outcome")
_SECONDS = metrics.histogram("sluice_test_seconds", "Time.")
_IN_HAND = metrics.gauge("sluice_test_in_hand", "In hand.")


def _redis() -> "Redis":
    return Redis.from_url(os.environ["REDIS_URL"])


def count(slot: int) -> None:
    async def work(_stop: asyncio.Event, _saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        _redis().incr(f"ran:{slot}")
        return DrainReport()

    _run(slot, "count", work)


def until_stopped(slot: int) -> None:
    async def work(stop: asyncio.Event, _saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        with _redis() as redis:
            redis.set("horse", os.getpid())
            await stop.wait()
            redis.set("released", 1)
        return DrainReport(released=1)

    _run(slot, "until_stopped", work)


def saturate(slot: int) -> None:
    async def work(_stop: asyncio.Event, saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        runs = _redis().incr(f"ran:{slot}")
        await saturated()
        return DrainReport(more=slot == 0 and runs == 1)

    _run(slot, "saturate", work)


def count_pages(slot: int) -> None:
    async def work(_stop: asyncio.Event, _saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        _count()
        return DrainReport()

    _run(slot, "count_pages", work)


def count_pages_until_killed(slot: int) -> None:
    async def work(stop: asyncio.Event, _saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        _count()
        _redis().set("horse", os.getpid())
        await stop.wait()
        return DrainReport()

    _run(slot, "count_pages_until_killed", work)


def tell_spans_until_stopped(slot: int) -> None:
    """Spans that end on the way, and one that would only end with the wake-up."""

    async def work(stop: asyncio.Event, _saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        with tracing.span("outer"):
            for n in range(3):
                with tracing.span(f"inner {n}"):
                    pass
            with _redis() as redis:
                redis.set("horse", os.getpid())
            await stop.wait()
        return DrainReport()

    _run(slot, "tell_spans_until_stopped", work)


def tell_a_span(slot: int) -> None:
    async def work(_stop: asyncio.Event, _saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        with tracing.span("inner"):
            _redis().incr(f"ran:{slot}")
        return DrainReport()

    _run(slot, "tell_a_span", work)


def _count() -> None:
    _PAGES.inc("ok", by=40)
    _SECONDS.observe(0.2)
    _IN_HAND.set(7)


def die_once(slot: int) -> None:
    if _redis().incr(f"ran:{slot}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def _run(slot: int, task: str, work: Callable[..., Awaitable[DrainReport]]) -> None:
    run_wake_up(Waker(os.environ["REDIS_URL"], QUEUE, f"{__name__}.{task}", slots=2), slot, work)
