"""Marks events as published, many at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

log = logging.getLogger(__name__)

Mark = Callable[[Sequence[str]], Awaitable[None]]


class Marker:
    """Waits `wait_s` for company, so that a busy orchestrator writes once for many events.

    What a dying process did not mark is published again by the relay: at least once is the promise.
    """

    def __init__(self, mark: Mark, wait_s: float = 0.5) -> None:
        self._mark = mark
        self._wait_s = wait_s
        self._ids: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, event_id: str) -> None:
        self._ids.append(event_id)
        if self._task is None:
            self._task = asyncio.create_task(self._flush(), name="outbox-marker")

    async def close(self) -> None:
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _flush(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait_s):
                await self._closing.wait()
        ids, self._ids, self._task = self._ids, [], None
        try:
            await self._mark(ids)
        except Exception:
            log.warning("published events not marked: they will be sent again", exc_info=True)
