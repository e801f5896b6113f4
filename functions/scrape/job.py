"""What a wake-up does: claims documents, scrapes them side by side, reports each as it ends."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ssl import SSLContext

import httpx

from functions.scrape.fetch import Fetcher
from functions.scrape.network import open_client
from functions.scrape.outcome import document_scraped
from functions.scrape.parsing import Parser, living_parser
from functions.scrape.robots import Robots
from functions.scrape.scraping import Postponed, Scraper, Target
from functions.scrape.settings import QUEUE, TASK, FetchSettings, JobSettings
from functions.scrape.shared_pace import StorePace, StoreShelf
from shared.contracts.envelope import to_event
from shared.contracts.payload import Payload
from shared.errors import Interrupted, Unavailable
from shared.events.ids import derived_id
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.pipeline.policy import Policy
from shared.publish.open import SinkSettings, open_sink
from shared.publish.sink import PATIENT, OpenSink
from shared.settings import Environment
from shared.store.claims import ScrapeClaim, claim_scrape, release, renew
from shared.store.outbox import mark_published
from shared.store.store import Store
from shared.store.sweep import sweep
from shared.workqueue.drain import DrainReport, drain
from shared.workqueue.horse import run_wake_up
from shared.workqueue.wake import Waker

SOURCE = "/functions/scrape"
OUTAGE_WAIT_S = 15.0
SWEEP_EVERY_S = 2.0


def run(slot: int) -> None:
    """The RQ task, in a process forked for it."""
    env = Environment(os.environ)
    settings = JobSettings.read(env)
    signer = Signer.from_secret(env.secret("event-signing-key"))
    sink_settings = SinkSettings.read(env)
    waker = Waker(settings.wake.redis_url, QUEUE, TASK, slots=settings.wake.slots)

    async def work(stop: asyncio.Event, saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        async with open_desk(settings, open_sink(sink_settings, signer, PATIENT), path) as desk:
            return await desk.drain(stop, saturated)

    with living_parser(settings.parser_socket) as path:
        run_wake_up(waker, slot, work)


@cache
def tls() -> SSLContext:
    """Costs tens of milliseconds: made once, before the fork."""
    return httpx.create_ssl_context()


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_scraper(
    settings: FetchSettings, parser_path: str, pace: StorePace, shelf: StoreShelf
) -> AsyncIterator[Scraper]:
    parser = Parser(parser_path)
    async with open_client(settings.guard, tls=tls(), user_agent=settings.user_agent) as client:
        fetcher = Fetcher(client)
        try:
            yield Scraper(fetcher, Robots(fetcher, settings.agent, shelf, now), parser, pace, now)
        finally:
            parser.close()


@asynccontextmanager
async def open_desk(settings: JobSettings, sink: OpenSink, parser_path: str) -> AsyncIterator["Desk"]:
    """Owns the sink from here on."""
    objects = ObjectStore.open(settings.object_store_url, os.environ)
    try:
        async with await Store.open(settings.database_url) as store:
            pace = StorePace(store, settings.domain_delay_s, now)
            async with open_scraper(settings.fetch, parser_path, pace, StoreShelf(store)) as scraper:
                yield Desk(settings, store, objects, sink, scraper)
    finally:
        await sink.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything one wake-up works with."""

    settings: JobSettings
    store: Store
    objects: ObjectStore
    sink: OpenSink
    scraper: Scraper

    async def drain(self, stop: asyncio.Event, saturated: Callable[[], Awaitable[None]]) -> DrainReport:
        settings = self.settings
        return await drain(
            stage="scraping",
            claim=self._claim,
            work=self._work,
            publish=self._publish,
            renew=lambda claims: renew(self.store, claims, settings.lease_s, now()),
            release=lambda claims, wait_s: release(self.store, claims, now(), not_before=_later(wait_s)),
            concurrency=settings.concurrency,
            lease_s=settings.lease_s,
            stop=stop,
            budget_s=settings.budget_s,
            linger_s=settings.linger_s,
            saturated=saturated,
            sweep=self._sweep,
        )

    async def _claim(self, limit: int) -> list[ScrapeClaim]:
        nothing_in_hand = limit == self.settings.concurrency
        return await claim_scrape(self.store, limit, self.settings.lease_s, now(), suspects=nothing_in_hand)

    async def _work(self, claim: ScrapeClaim) -> Payload | None:
        try:
            return await self._scrape(claim)
        except Unavailable as exc:
            raise Interrupted(exc.code, exc.message, retry_after_s=OUTAGE_WAIT_S) from exc

    async def _scrape(self, claim: ScrapeClaim) -> Payload | None:
        target = Target(claim.fetch_url, claim.redirects, claim.etag, claim.last_modified)
        outcome = await self.scraper.scrape(target)
        if isinstance(outcome, Postponed):
            await release(
                self.store, [claim], now(), not_before=_later(outcome.wait_s), fetch_url=_moved(outcome, claim)
            )
            return None
        text = outcome.text
        ref = await self.objects.put(claim.corpus_id, "text", text.text.encode()) if text else None
        return document_scraped(claim, outcome, ref)

    async def _publish(self, payload: Payload, claim: ScrapeClaim) -> None:
        """The same claim's result has the same id, however often it is sent."""
        event_id = derived_id(str(claim.document_id), SOURCE, payload.event_type, str(claim.token))
        await self.sink.publish(
            to_event(payload, source=SOURCE, cause=None, time=now(), id=event_id, traceparent=claim.traceparent)
        )

    async def _sweep(self) -> None:
        swept = await sweep(self.store, now(), Policy(max_attempts=self.settings.max_attempts), every_s=SWEEP_EVERY_S)
        for event in swept.events:
            await self.sink.publish(event)
            await mark_published(self.store, [event.id], now())


def _later(wait_s: float | None) -> datetime | None:
    return None if wait_s is None else now() + timedelta(seconds=wait_s)


def _moved(outcome: Postponed, claim: ScrapeClaim) -> str | None:
    return outcome.url if outcome.url != claim.fetch_url else None
