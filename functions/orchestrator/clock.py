"""The orchestrator's own clock, where no platform has one for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.workqueue.periodic import periodically


@asynccontextmanager
async def ticking(every_s: float, tick: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """While it is up; 0 leaves it to others. A tick that fails is logged, and the next one comes."""
    if not every_s:
        yield
        return
    task = periodically(every_s, tick, "tick")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
