"""Opens the way to the endpoint: client, circuit breaker and batches, as one."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from functions.embed.batcher import Batcher
from functions.embed.sender import Sender
from functions.embed.settings import BatchSettings
from shared.auth.breaker import CircuitBreaker
from shared.embeddings.client import EmbeddingClient


@asynccontextmanager
async def open_batcher(settings: BatchSettings) -> AsyncIterator[Batcher]:
    """Opens no connection yet."""
    client = EmbeddingClient(settings.endpoint)
    sender = Sender(client, CircuitBreaker("embedding", clock=time.monotonic))
    try:
        async with Batcher(sender.send, settings.limits, concurrency=settings.concurrency) as batcher:
            yield batcher
    finally:
        await client.close()
