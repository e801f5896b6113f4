"""A real platform, and everything around it that can be brought into trouble."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from tests.faults.storage import Storage, storage
from tests.pipeline.platform import Platform, platform
from tests.pipeline.troubled_broker import TroubledBroker, troubled_broker
from tests.pipeline.world import Endpoint, Web, endpoint, web

LEASE_S = 8
SETTINGS = {
    "LEASE_SECONDS": str(LEASE_S),
    "EMBED_RETRY_SECONDS": "0.1",
    "EMBEDDING_TIMEOUT_SECONDS": "10",
    # Troubles follow each other more closely here than in years of a real life.
    "MAX_ATTEMPTS": "12",
}


@dataclass
class Moods:
    """How the broker treats events now: shares of those lost and doubled, and the longest delay in seconds."""

    random: Random
    lost: float = 0.0
    doubled: float = 0.0
    delay_s: float = 0.0

    def fate(self, _number: int) -> Sequence[float]:
        if self.random.random() < self.lost:
            return ()
        times = 2 if self.random.random() < self.doubled else 1
        return [self.random.uniform(0, self.delay_s) for _ in range(times)]

    def calm(self) -> None:
        self.lost = self.doubled = self.delay_s = 0.0


@dataclass
class Scene:
    """`urls` are those of the pages that never change."""

    platform: Platform
    site: Web
    model: Endpoint
    objects: Storage
    broker: TroubledBroker
    moods: Moods
    random: Random
    urls: list[str]


@asynccontextmanager
async def scene(seed: int) -> AsyncIterator[Scene]:
    """Nothing is wrong yet."""
    random = Random(seed)
    moods = Moods(random)
    async with (
        web() as site,
        endpoint() as model,
        storage() as (objects, where),
        troubled_broker(moods.fate) as (broker, address),
        platform(EMBEDDING_API_BASE_URL=model.url, K_SINK=address, **SETTINGS, **where) as made,
    ):
        broker.port = made.port
        yield Scene(made, site, model, objects, broker, moods, random, site.urls)
