"""Opens the way to the endpoint: client, circuit breaker and batches, as one."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from functions.embed.batcher import Batcher
from functions.embed.sender import Policy, Sender
from functions.embed.settings import BatchSettings
from shared.auth.breaker import CircuitBreaker
from shared.embeddings.client import EmbeddingClient
from shared.embeddings.measures import Purpose


@asynccontextmanager
async def open_batcher(settings: BatchSettings, purpose: Purpose) -> AsyncIterator[Batcher]:
    """Opens no connection yet."""
    client = EmbeddingClient(settings.endpoint, purpose)
    purpose.allows(settings.concurrency)
    policy = Policy(delays_s=(settings.retry_s, 4 * settings.retry_s))
    sender = Sender(client, CircuitBreaker("embedding", clock=time.monotonic), policy)
    try:
        async with Batcher(sender.send, settings.limits, concurrency=settings.concurrency) as batcher:
            yield batcher
    finally:
        await client.close()
