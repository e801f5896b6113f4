"""Sends the texts of many documents together, and lets each document end by itself."""

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import TypeAlias

from functions.embed.core import BatchLimits, Item, is_full, take_batch
from functions.embed.measures import batch_leaves
from functions.embed.sender import Outcome
from observe import tracing
from observe.span import Span
from observe.vocabulary import Attributes
from shared.embeddings.answer import Model
from shared.errors import StageFailure
from shared.tally import current

# How long a batch that is not full waits for more documents.
GATHER_S = 0.02


class Batcher:
    """`async with Batcher(sender.send) as batcher`. At most `concurrency` requests at once."""

    def __init__(self, send: "Send", limits: BatchLimits, *, concurrency: int = 4, gather_s: float = GATHER_S) -> None:
        self._send = send
        self._limits = limits
        self._concurrency = concurrency
        self._gather_s = gather_s
        self._waiting: list[Text] = []
        self._sending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def embed(self, texts: Sequence[tuple[str, int]], model: Model) -> "list[array[float]]":
        """Vectors for (text, tokens) pairs, in order. Raises the `StageFailure` of the first text that has none."""
        if not texts:
            return []
        attributes: Attributes = {
            "operation": "write",
            "embedding.model": model.name,
            "embedding.tokens": sum(tokens for _, tokens in texts),
        }
        with tracing.span("embeddings", attributes) as span:
            document, payer = Document(len(texts), span), current()
            self._waiting += [Item(text, tokens, model, (document, n), payer) for n, (text, tokens) in enumerate(texts)]
            self._pump()
            return await document.vectors()

    def _pump(self) -> None:
        """Full batches leave at once; the rest waits a moment for company, or for a free place."""
        while self._has_place() and is_full(self._waiting, self._limits):
            self._start()
        if self._waiting and self._has_place() and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._gather_s, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._has_place():
            self._start()
        self._pump()

    def _has_place(self) -> bool:
        return len(self._sending) < self._concurrency

    def _start(self) -> None:
        wanted = [item for item in self._waiting if not item.owner[0].over]
        batch, self._waiting = take_batch(wanted, self._limits)
        if batch:
            waited_s = asyncio.get_running_loop().time() - batch[0].owner[0].since
            tokens = sum(item.tokens for item in batch)
            batch_leaves(len(batch), tokens, self._limits.max_tokens, waited_s)
            first = batch[0].owner[0]
            # Documents of many traces share a batch. It is told in that of the first, and linked to the others.
            task = asyncio.create_task(self._run(batch), name="embedding batch", context=first.context.copy())
            self._sending.add(task)
            task.add_done_callback(self._sent)

    async def _run(self, batch: "list[Text]") -> None:
        with tracing.span(
            "embedding batch", _described(batch), links=[each.span.context for each in _others(batch)]
        ) as span:
            for document in _others(batch):
                document.span.link(span.context if span.recorded else None)
            await self._settle(batch)

    async def _settle(self, batch: "list[Text]") -> None:
        try:
            for item, outcome in await self._send(batch):
                document, position = item.owner
                document.settle(position, outcome)
        except Exception as exc:
            for item in batch:
                item.owner[0].fail(exc)

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        if not task.cancelled():
            self._pump()

    async def __aenter__(self) -> "Batcher":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)


class Document:
    """What one caller waits for: all its vectors, or the first thing that went wrong."""

    def __init__(self, count: int, span: Span) -> None:
        self.span = span
        self.context = copy_context()
        self._arrived: dict[int, array[float]] = {}
        self._count = count
        self.since = asyncio.get_running_loop().time()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """Failed, complete, or nobody waits any more: sending more of it would be wasted."""
        return self._done.done()

    def settle(self, position: int, outcome: Outcome) -> None:
        if isinstance(outcome, StageFailure):
            self.fail(outcome)
            return
        self._arrived[position] = outcome
        if len(self._arrived) == self._count and not self.over:
            self._done.set_result(None)

    def fail(self, reason: Exception) -> None:
        if not self.over:
            self._done.set_exception(reason)

    async def vectors(self) -> "list[array[float]]":
        await self._done
        return [self._arrived[position] for position in range(self._count)]


def _described(batch: "list[Text]") -> Attributes:
    return {
        "operation": "write",
        "embedding.model": batch[0].model.name,
        "embedding.tokens": sum(item.tokens for item in batch),
        "messaging.batch.message_count": len(batch),
    }


def _others(batch: "list[Text]") -> list[Document]:
    """All documents of a batch but the first."""
    return list(dict.fromkeys(item.owner[0] for item in batch))[1:]


Text: TypeAlias = Item[tuple[Document, int]]
Send: TypeAlias = Callable[[Sequence[Text]], Awaitable[list[tuple[Text, Outcome]]]]
