"""What the wake-ups of all stages do alike: hold leases, report results, and take part in the sweeping."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from observe import context, profiling, tracing, vocabulary
from observe.span import Span
from observe.vocabulary import Attributes
from shared.contracts.costs import Spent, StageReport
from shared.contracts.envelope import to_event
from shared.contracts.payload import Payload
from shared.contracts.stages import FailedStage
from shared.errors import Interrupted, Unavailable
from shared.events.ids import derived_id
from shared.objects import ObjectStore
from shared.pipeline.costs import cost_of_release
from shared.publish.open import open_sink, read_signed_sink
from shared.publish.relay import relay
from shared.publish.sink import PATIENT, OpenSink
from shared.runtime.function import Stage
from shared.settings import Environment
from shared.store.claims import release, renew, report
from shared.store.outbox import mark_published
from shared.store.store import Store
from shared.store.sweep import sweep
from shared.workqueue.drain import Claim, DrainReport, drain
from shared.workqueue.horse import run_wake_up
from shared.workqueue.in_hand import DocumentWork
from shared.workqueue.settings import DrainSettings, WakeSettings
from shared.workqueue.wake import Waker

SWEEP_EVERY_S = 2.0
OUTAGE_WAIT_S = 15.0

_STAGES: Final[dict[FailedStage, Stage]] = {"scraping": "scrape", "chunking": "chunk", "embedding": "embed"}

Saturated: TypeAlias = Callable[[], Awaitable[None]]
Work: TypeAlias = Callable[[OpenSink, asyncio.Event, Saturated], Awaitable[DrainReport]]


class PageClaim(Claim, Protocol):
    """A claim that knows its page, since when that was ready, and whether it goes through anew."""

    @property
    def url(self) -> str: ...
    @property
    def ready_at(self) -> datetime: ...
    @property
    def replayed_at(self) -> datetime | None: ...


C = TypeVar("C", bound=PageClaim)


def run_stage(env: Environment, wake: WakeSettings, slot: int, work: Work) -> None:
    """The RQ task, in a process forked for it. `work` owns the sink that it is given."""
    sink, signer = read_signed_sink(env)
    run_wake_up(Waker.of(wake), slot, lambda stop, saturated: work(open_sink(sink, signer, PATIENT), stop, saturated))


@contextmanager
def outages_are_ours() -> Iterator[None]:
    """A page has no part in what our own database and object store do: it is given back, and waits free of charge."""
    try:
        yield
    except Unavailable as exc:
        raise Interrupted(exc.code, exc.message, retry_after_s=OUTAGE_WAIT_S) from exc


@asynccontextmanager
async def open_worker_desk(
    stage: FailedStage, source: str, settings: DrainSettings, sink: OpenSink
) -> AsyncIterator["WorkerDesk"]:
    """Owns the sink from here on."""
    objects = ObjectStore.open(settings.object_store_url, os.environ)
    try:
        async with await Store.open(settings.database_url) as store:
            yield WorkerDesk(stage, source, settings, store, objects, sink)
    finally:
        await sink.close()


async def _profiled(work: DocumentWork[C], claim: C) -> StageReport | None:
    return await profiling.attributed(work(claim))


@dataclass(frozen=True, slots=True)
class WorkerDesk:
    """Everything that a wake-up works with, whatever its stage. `source` is that of the events it reports."""

    stage: FailedStage
    source: str
    settings: DrainSettings
    store: Store
    objects: ObjectStore
    sink: OpenSink

    def now(self) -> datetime:
        """The platform's time."""
        return self.store.clock.now()

    async def drain(
        self,
        claim: Callable[[int], Awaitable[Sequence[C]]],
        work: DocumentWork[C],
        concurrency: int,
        stop: asyncio.Event,
        saturated: Saturated,
    ) -> DrainReport:
        settings = self.settings
        return await drain(
            stage=self.stage,
            span=self._span,
            claim=lambda limit: self._claimed(claim, limit),
            work=lambda claim: _profiled(work, claim),
            publish=self._publish,
            renew=lambda claims: renew(self.store, claims, settings.lease_s, self.now()),
            release=self.give_back,
            reported=lambda claims: report(self.store, claims, self.now(), settings.policy),
            concurrency=concurrency,
            lease_s=settings.lease_s,
            stop=stop,
            budget_s=settings.budget_s,
            linger_s=settings.linger_s,
            saturated=saturated,
            sweep=self.sweep,
        )

    async def give_back(
        self, claims: Mapping[Any, Spent], wait_s: float | None, *, fetch_url: str | None = None
    ) -> None:
        """Without a try being counted, but with what it took; `wait_s` keeps others from claiming them at once."""
        now = self.now()
        not_before = None if wait_s is None else now + timedelta(seconds=wait_s)
        costs = [cost_of_release(self.stage, spent) for spent in claims.values()]
        await release(self.store, claims, now, not_before=not_before, fetch_url=fetch_url, costs=costs)

    async def sweep(self) -> None:
        """Sets going what is overdue, for whoever it belongs to."""
        swept = await sweep(self.store, self.now(), self.settings.policy, every_s=SWEEP_EVERY_S)
        await relay(swept.events, self.sink, lambda ids: mark_published(self.store, ids, self.now()))

    async def _claimed(self, claim: Callable[[int], Awaitable[Sequence[C]]], limit: int) -> Sequence[C]:
        """One span for those that found something: a worker looks for work many times for each time that there is."""
        began_s = time.time()
        with context.entered(None):
            claims = await claim(limit)
        ended_s = time.time()
        if claims:
            tracing.record("claim", began_s, ended_s, {"messaging.batch.message_count": len(claims)})
        for each in claims:
            trace = tracing.document(each.document_id, each.replayed_at)
            claimed_s = self.now().timestamp()  # by the clock that `ready_at` is by
            tracing.record("queue wait", each.ready_at.timestamp(), claimed_s, self._about(each), parent=trace)
        return claims

    def _span(self, claim: PageClaim) -> Span:
        """In the document's own trace, linked to the wake-up that happened to bring it."""
        wake_up = context.current()
        links = [] if wake_up is None else [wake_up]
        parent = tracing.document(claim.document_id, claim.replayed_at)
        return tracing.span(_STAGES[self.stage], kind="consumer", parent=parent, links=links, about=self._about(claim))

    def _about(self, claim: PageClaim) -> Attributes:
        url = vocabulary.clean(claim.url)
        return {"job.id": str(claim.job_id), "job.url": url, "job.stage": _STAGES[self.stage]}

    async def _publish(self, payload: Payload, claim: PageClaim) -> None:
        """The same claim's result has the same id, however often it is sent."""
        event_id = derived_id(str(claim.document_id), self.source, payload.event_type, str(claim.token))
        await self.sink.publish(to_event(payload, source=self.source, cause=None, time=self.now(), id=event_id))
