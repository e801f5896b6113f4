"""The embed function: wakes the workers, or embeds the texts of whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from functions.embed.core import requested_texts
from functions.embed.settings import BatchSettings
from shared.auth.context import CallerContext
from shared.auth.membership import Membership
from shared.contracts.stages import EmbedRequested
from shared.embeddings.answer import Model
from shared.embeddings.measures import ON_DEMAND
from shared.events.event import CloudEvent, Json
from shared.workqueue.settings import WakeSettings
from shared.workqueue.wake import Waker

if TYPE_CHECKING:
    from functions.embed.batcher import Batcher


@dataclass
class Desk:
    """What the function holds while it runs. The way to the endpoint opens with the first text that is asked for."""

    waker: Waker
    batches: BatchSettings
    model: Model
    stack: AsyncExitStack
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    batcher: "Batcher | None" = None

    async def open_batcher(self) -> "Batcher":
        from functions.embed.lane import open_batcher  # noqa: PLC0415

        async with self.opening:
            if self.batcher is None:
                self.batcher = await self.stack.enter_async_context(open_batcher(self.batches, ON_DEMAND))
            return self.batcher


@asynccontextmanager
async def open_desk(
    wake: WakeSettings, batches: BatchSettings, model: Model, membership: Membership
) -> AsyncIterator[Desk]:
    """Closes the membership client too."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(membership.close)
        waker = Waker.of(wake)
        stack.callback(waker.close)
        yield Desk(waker, batches, model, stack)


async def wake_workers(payload: EmbedRequested, desk: Desk, event: CloudEvent) -> None:
    """One wake-up is as good as a hundred."""
    await desk.waker.wake()


async def embed_texts(body: Json, caller: CallerContext, desk: Desk) -> Json:
    """`{"texts": […]}` or `{"text": …}` to `{"model", "dimension", "vectors"}`, in order."""
    texts = requested_texts(body)
    batcher = await desk.open_batcher()
    vectors = await batcher.embed(texts, desk.model)
    rounded: list[Json] = [[float(f"{number:.9g}") for number in vector] for vector in vectors]
    return {"model": desk.model.name, "dimension": desk.model.dimension, "vectors": rounded}
