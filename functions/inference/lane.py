"""Gathers sequences of many requests into batches, one batch at a time, in a thread."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.inference.core import Tokens, plan_batches
from shared.errors import Overloaded

if TYPE_CHECKING:
    from functions.inference.core import Vector

WINDOW = 8
MAX_WAIT_S = 60


@dataclass(eq=False)
class _Item:
    tokens: Tokens
    vector: "asyncio.Future[Vector]"


class Lane:
    """A queue with its own worker. Sequences that wait are sorted by length within a window of a few batches: padding
    stays low, and nothing waits for what came much later."""

    def __init__(
        self, run: "Callable[[Sequence[Tokens]], list[Vector]]", *, batch_tokens: int, max_waiting: int
    ) -> None:
        self._run = run
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self._batch_tokens, self._max_waiting = batch_tokens, max_waiting
        self._waiting: deque[_Item] = deque()
        self._arrived = asyncio.Event()
        self.waiting_tokens = 0
        self._seconds_a_token = 1e-4

    async def embed(self, sequences: "Sequence[Tokens]") -> "list[Vector]":
        """In the order given. `Overloaded` when too much waits already; an idle lane takes a request of any size."""
        size = sum(map(len, sequences))
        if self.waiting_tokens and self.waiting_tokens + size > self._max_waiting:
            wait_s = min(MAX_WAIT_S, 1 + int(self.waiting_tokens * self._seconds_a_token))
            raise Overloaded("overloaded", f"too much is waiting; try again in {wait_s} s", retry_after_s=wait_s)
        loop = asyncio.get_running_loop()
        items = [_Item(tokens, loop.create_future()) for tokens in sequences]
        self._waiting.extend(items)
        self.waiting_tokens += size
        self._arrived.set()
        return list(await asyncio.gather(*(item.vector for item in items)))

    async def work(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._arrived.wait()
            window = self._take_window()
            for batch in plan_batches([len(item.tokens) for item in window], self._batch_tokens):
                await self._run_batch([window[index] for index in batch])

    def _take_window(self) -> list[_Item]:
        taken: list[_Item] = []
        tokens = 0
        while self._waiting and tokens < WINDOW * self._batch_tokens:
            taken.append(self._waiting.popleft())
            tokens += len(taken[-1].tokens)
        if not self._waiting:
            self._arrived.clear()
        return taken

    async def _run_batch(self, batch: list[_Item]) -> None:
        size = sum(len(item.tokens) for item in batch)
        wanted = [item for item in batch if not item.vector.cancelled()]
        started = time.monotonic()
        try:
            vectors = await self._in_thread([item.tokens for item in wanted])
        except Exception as exc:
            _fail(wanted, exc)
        else:
            _deliver(wanted, vectors)
            self._learn(time.monotonic() - started, size)
        finally:
            self.waiting_tokens -= size

    async def _in_thread(self, sequences: list[Tokens]) -> "list[Vector]":
        if not sequences:
            return []
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, sequences)

    def _learn(self, seconds: float, tokens: int) -> None:
        self._seconds_a_token += 0.2 * (seconds / tokens - self._seconds_a_token)


def _deliver(items: list[_Item], vectors: "list[Vector]") -> None:
    for item, vector in zip(items, vectors, strict=True):
        if not item.vector.done():
            item.vector.set_result(vector)


def _fail(items: list[_Item], exc: Exception) -> None:
    for item in items:
        if not item.vector.done():
            item.vector.set_exception(exc)
