"""What a function opens at its start and closes at its end."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

from shared.errors import SluiceError, Unavailable

R = TypeVar("R")
logger = logging.getLogger(__name__)


class Resources(Generic[R]):
    """Held by one task from entry to exit, as task groups and cancel scopes inside a context demand.

    `opened_s` is when they were open: seconds since 1970.
    """

    def __init__(self, enter: Callable[[], AbstractAsyncContextManager[R]]) -> None:
        self._enter = enter
        self._closing = asyncio.Event()
        self._opened: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.holder = asyncio.create_task(self._hold(), name="resources")
        self.failed = False
        self.opened_s: float | None = None

    @property
    def ready(self) -> bool:
        return self._opened.done() and not self.holder.done()

    def tell_opened(self, opened: Callable[[], None]) -> None:
        """Calls it once they are open, if they ever are."""
        self._opened.add_done_callback(lambda done: None if done.cancelled() else opened())

    async def get(self, timeout_s: float) -> R:
        """Raises `Unavailable` when they are not open in time, or not open any more."""
        if not self._opened.done():
            await asyncio.wait({self._opened}, timeout=timeout_s)
        if not self.ready:
            raise Unavailable("function_not_ready", "the function's resources are not open", retry_after_s=1)
        return self._opened.result()

    async def close(self) -> None:
        self._closing.set()
        if not self._opened.done():
            self.holder.cancel()
        await asyncio.wait({self.holder})

    async def _hold(self) -> None:
        try:
            async with self._enter() as opened:
                self.opened_s = time.time()
                self._opened.set_result(opened)
                await self._closing.wait()
        except SluiceError as exc:
            self.failed = True
            logger.critical("cannot open: %s", exc.message, extra={"code": exc.code, "field": exc.field})
        except Exception:
            self.failed = True
            logger.exception("the function's resources failed", extra={"code": "resources_failed"})
        finally:
            self._opened.cancel()
