"""Side tasks that repeat: they log what goes wrong and go on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from observe import context

log = logging.getLogger(__name__)


def periodically(seconds: float, do: Callable[[], Awaitable[None]], name: str) -> "asyncio.Task[None]":
    """Calls `do` every `seconds`, first after one such wait, until the task is cancelled. It is in nobody's trace."""
    with context.entered(None):
        return asyncio.create_task(_repeat(seconds, do, name), name=name)


async def _repeat(seconds: float, do: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await do()
        except Exception:
            log.exception("%s failed, will try again", name)
