"""Platforms that tests share: starting one costs seconds. Each test brings its own site and corpus."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

from tests.fakes.otlp import Receiver, receiver
from tests.pipeline.books import Index, index_of
from tests.pipeline.platform import Platform, platform
from tests.pipeline.world import Endpoint, Web, endpoint, web

# Of a worker outside the platform.
WORKER_KEY = "slk_a-worker-outside"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncIterator[Endpoint]:
    async with endpoint() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def site() -> AsyncIterator[Web]:
    async with web() as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def calm(model: Endpoint) -> AsyncIterator[Platform]:
    """Nobody is killed here."""
    settings = {"EMBED_RETRY_SECONDS": "0.05", "EMBEDDING_TIMEOUT_SECONDS": "1.5", "MAX_ATTEMPTS": "2"}
    settings |= {"WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
    settings |= {"ORCHESTRATOR_KEY_HASH": hashlib.sha256(WORKER_KEY.encode()).hexdigest()}
    async with platform(EMBEDDING_API_BASE_URL=model.url, **settings) as made:
        yield made


@dataclass(frozen=True)
class Troubled:
    """A warm platform on which anything may die, who takes its spans, and the index that an undisturbed run gave."""

    platform: Platform
    takes: Receiver
    reference: Index


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def troubled(model: Endpoint) -> AsyncIterator[Troubled]:
    async with receiver() as takes, web() as site:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": takes.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        async with platform(EMBEDDING_API_BASE_URL=model.url, LEASE_SECONDS="4", **settings) as made:
            await made.run(site.urls, "reference")
            yield Troubled(made, takes, await index_of(made, "reference"))
