"""The orchestrator function: the only one that moves documents on."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from functions.orchestrator.handler import Desk, advanced, dead_letter, submitted, ticked
from functions.orchestrator.marker import Marker
from functions.orchestrator.tidying import Tidier
from shared.contracts.jobs import JobCancelRequested, JobReplayRequested, JobSubmitted
from shared.contracts.stages import DocumentChunked, DocumentEmbedded, DocumentScraped, PipelineTick, StageFailed
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.pipeline.policy import Policy
from shared.publish.open import SinkSettings, open_sink
from shared.publish.sink import OpenSink
from shared.runtime import host
from shared.runtime.framework import as_http_function
from shared.runtime.function import Function, Limits
from shared.settings import Environment
from shared.store.outbox import mark_published
from shared.store.store import Store
from shared.store.submit import CorpusDefaults


@dataclass(frozen=True)
class Settings:
    """`defaults` are for corpora that do not exist yet."""

    database_url: str = field(repr=False)
    pool_size: int
    object_store_url: str
    defaults: CorpusDefaults
    policy: Policy
    object_keep: timedelta
    sink: SinkSettings
    limits: Limits
    signing_key: bytes = field(repr=False)

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        return cls(
            database_url=env.text("DATABASE_URL"),
            pool_size=env.integer("DATABASE_POOL_SIZE", 4, minimum=1),
            object_store_url=env.text("OBJECT_STORE_URL"),
            defaults=read_defaults(env),
            policy=Policy.of(env.integer("MAX_ATTEMPTS", 4, minimum=1), env.number("LEASE_SECONDS", 60.0, minimum=1.0)),
            object_keep=timedelta(hours=env.number("OBJECT_KEEP_HOURS", 24.0, minimum=1.0)),
            sink=SinkSettings.read(env),
            limits=Limits.read(env),
            signing_key=env.secret("event-signing-key"),
        )


def read_defaults(env: Environment) -> CorpusDefaults:
    return CorpusDefaults(
        model=env.text("EMBEDDING_MODEL"),
        dimension=env.integer("EMBEDDING_DIMENSION", 384, minimum=1),
        chunk_max_tokens=env.integer("CHUNK_MAX_TOKENS", 250, minimum=8),
        chunk_overlap_tokens=env.integer("CHUNK_OVERLAP_TOKENS", 50),
        domain_delay_s=env.number("SCRAPE_DOMAIN_DELAY_SECONDS", 1.0),
    )


def build() -> Function[Desk]:
    """Reads this process's environment."""
    return wire(os.environ)


def wire(variables: Mapping[str, str]) -> Function[Desk]:
    settings = Settings.read(Environment(variables))
    signer = Signer.from_secret(settings.signing_key)
    sink = open_sink(settings.sink, signer)
    reports = (DocumentScraped, DocumentChunked, DocumentEmbedded, StageFailed)
    return Function(
        name="orchestrator",
        open=partial(_open, settings, variables, sink, signer),
        events={
            JobSubmitted: submitted,
            PipelineTick: ticked,
            **dict.fromkeys((*reports, JobCancelRequested, JobReplayRequested), advanced),
        },
        routes={("POST", "/dead-letters"): dead_letter},
        signer=signer,
        unsigned_ok=frozenset({PipelineTick.event_type}),
        publish=sink,
        limits=settings.limits,
    )


@asynccontextmanager
async def _open(
    settings: Settings, variables: Mapping[str, str], sink: OpenSink, signer: Signer
) -> AsyncIterator[Desk]:
    objects = ObjectStore.open(settings.object_store_url, variables)
    async with await Store.open(settings.database_url, pool_size=settings.pool_size) as store:
        marker = Marker(lambda ids: mark_published(store, ids, _now()))
        try:
            tidier = Tidier(store, objects, settings.object_keep)
            yield Desk(store, objects, tidier, sink, marker, signer, settings.defaults, settings.policy, _now)
        finally:
            await marker.close()
            await sink.close()


def _now() -> datetime:
    return datetime.now(UTC)


main = as_http_function(build)

if __name__ == "__main__":
    host.main("orchestrator", build)
