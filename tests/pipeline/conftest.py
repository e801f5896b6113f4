"""Platforms that tests share: starting one costs seconds. Each test brings its own site and corpus."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

from tests.pipeline.books import Index, index_of
from tests.pipeline.platform import Platform, platform
from tests.pipeline.world import Endpoint, Web, endpoint, web


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
    async with platform(EMBEDDING_API_BASE_URL=model.url, **settings) as made:
        yield made


@dataclass(frozen=True)
class Troubled:
    """A warm platform on which anything may die, and the index that an undisturbed run gave."""

    platform: Platform
    reference: Index


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def troubled(model: Endpoint) -> AsyncIterator[Troubled]:
    async with platform(EMBEDDING_API_BASE_URL=model.url, LEASE_SECONDS="4") as made, web() as site:
        await made.run(site.urls, "reference")
        yield Troubled(made, await index_of(made, "reference"))
