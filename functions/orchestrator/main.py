"""The orchestrator function: the only one that moves documents on."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from functions.orchestrator.clock import ticking
from functions.orchestrator.deleting import Deleter
from functions.orchestrator.handler import (
    Desk,
    advanced,
    corpus_unwanted,
    dead_letter,
    sitemap_read,
    submitted,
    tick,
    ticked,
    webhook_wanted_again,
)
from functions.orchestrator.hooks import WebhookSender
from functions.orchestrator.marker import Marker
from functions.orchestrator.tidying import Tidier
from shared.contracts.jobs import (
    CorpusDeleteRequested,
    JobCancelRequested,
    JobReplayRequested,
    JobSubmitted,
    WebhookRedeliveryRequested,
)
from shared.contracts.stages import (
    DocumentChunked,
    DocumentEmbedded,
    DocumentScraped,
    PipelineTick,
    SitemapRead,
    StageFailed,
)
from shared.events.signing import Signer
from shared.events.webhooks import WebhookSigner
from shared.objects import ObjectStore
from shared.outbound.addresses import Guard
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

# After so many leases no worker has anything of a deleted corpus in hand.
STRAGGLE_LEASES = 2


@dataclass(frozen=True)
class Settings:
    """`defaults` are for corpora that do not exist yet; with `tick_s` 0 the ticks come from outside alone."""

    database_url: str = field(repr=False)
    pool_size: int
    object_store_url: str
    defaults: CorpusDefaults
    policy: Policy
    lease_s: float
    webhook_guard: Guard
    object_keep: timedelta
    tick_s: float
    sink: SinkSettings
    limits: Limits
    signing_key: bytes = field(repr=False)

    @classmethod
    def read(cls, env: Environment) -> "Settings":
        lease_s = env.number("LEASE_SECONDS", 60.0, minimum=1.0)
        return cls(
            database_url=env.text("DATABASE_URL"),
            pool_size=env.integer("DATABASE_POOL_SIZE", 4, minimum=1),
            object_store_url=env.text("OBJECT_STORE_URL"),
            defaults=read_defaults(env),
            policy=Policy.of(env.integer("MAX_ATTEMPTS", 4, minimum=1), lease_s),
            lease_s=lease_s,
            webhook_guard=Guard(env.networks("WEBHOOK_ALLOW_NETWORKS")),
            object_keep=timedelta(hours=env.number("OBJECT_KEEP_HOURS", 24.0, minimum=1.0)),
            tick_s=env.number("TICK_SECONDS", 0.0),
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
            SitemapRead: sitemap_read,
            CorpusDeleteRequested: corpus_unwanted,
            WebhookRedeliveryRequested: webhook_wanted_again,
        },
        routes={("POST", "/dead-letters"): dead_letter},
        signer=signer,
        unsigned_ok=frozenset({PipelineTick.event_type}),
        nudged=tick,
        publish=sink,
        limits=settings.limits,
    )


@asynccontextmanager
async def _open(
    settings: Settings, variables: Mapping[str, str], sink: OpenSink, signer: Signer
) -> AsyncIterator[Desk]:
    objects = ObjectStore.open(settings.object_store_url, variables)
    async with (
        AsyncExitStack() as stack,
        await Store.open(settings.database_url, pool_size=settings.pool_size) as store,
    ):
        now = store.clock.now
        marker = Marker(lambda ids: mark_published(store, ids, now()))
        try:
            tidier = Tidier(store, objects, settings.object_keep)
            deleter = Deleter(store, objects, STRAGGLE_LEASES * settings.lease_s, now)
            hooks = WebhookSigner.from_secret(settings.signing_key)
            sender = WebhookSender(store, settings.webhook_guard, hooks, now, stack)
            desk = Desk(
                store=store,
                objects=objects,
                tidier=tidier,
                deleter=deleter,
                webhooks=sender,
                sink=sink,
                marker=marker,
                signer=signer,
                defaults=settings.defaults,
                policy=settings.policy,
                clock=now,
            )
            async with ticking(settings.tick_s, partial(tick, desk)):
                yield desk
        finally:
            await marker.close()
            await sink.close()


main = as_http_function(build)

if __name__ == "__main__":
    host.main("orchestrator", build)
