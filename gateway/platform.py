"""The platform's numbers: read from Postgres and Redis when somebody asks for metrics, and then kept for a moment."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from observe import metrics
from shared.errors import Unavailable
from shared.store.platform import Standing, standing
from shared.store.store import Store
from shared.workqueue.depths import Depths

KEPT_S: Final = 5.0
QUEUES: Final = ("scrape", "embed")

_DOCUMENTS: Final = metrics.gauge("sluice_documents", "Documents of jobs that have not ended, by state.", "state")
_READY: Final = metrics.gauge("sluice_ready_documents", "Documents that wait for a worker.", "stage")
_LEASED: Final = metrics.gauge("sluice_leased_documents", "Documents in a worker's hands.", "stage")
_OLDEST_READY: Final = metrics.gauge(
    "sluice_oldest_ready_seconds", "How long the oldest document has been ready with nobody taking it.", "stage"
)
_JOBS: Final = metrics.gauge("sluice_jobs", "Jobs that have not ended.", "state")
_OLDEST_JOB: Final = metrics.gauge("sluice_oldest_job_seconds", "Age of the oldest job that has not ended.")
_OVERDUE: Final = metrics.gauge("sluice_overdue", "1 while a sweep would find something to do.")
_DEAD_LETTERS: Final = metrics.gauge("sluice_dead_letters", "Events that a broker gave up on and that are still kept.")
_OUTBOX: Final = metrics.gauge("sluice_outbox_events", "Events not yet known to be published.")
_OUTBOX_OLDEST: Final = metrics.gauge("sluice_outbox_oldest_seconds", "How long the oldest of them has been overdue.")
_WEBHOOKS: Final = metrics.gauge("sluice_webhooks_waiting", "Webhook deliveries that are still to be made.")
_DOMAINS: Final = metrics.gauge("sluice_waiting_domains", "Domains with work whose turn has not come.", "reason")
_WAITS: Final = metrics.gauge("sluice_domain_wait_longest_seconds", "The longest of those waits.", "rank")
_QUEUES: Final = metrics.gauge("sluice_queue_jobs", "Wake-ups in Redis.", "queue", "state")
_READS: Final = metrics.histogram(
    "sluice_platform_read_seconds", "Reading the platform numbers.", "source", "outcome", bounds=metrics.SECONDS[:11]
)
_FROM_POSTGRES: Final = (
    *(_DOCUMENTS, _READY, _LEASED, _OLDEST_READY, _JOBS, _OLDEST_JOB, _OVERDUE, _DEAD_LETTERS, _OUTBOX),
    *(_OUTBOX_OLDEST, _WEBHOOKS, _DOMAINS, _WAITS),
)


class Platform:
    """Without Redis (`depths`) nobody knows of queues."""

    def __init__(self, store: Store, depths: Depths | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._depths = depths
        self._clock = clock
        self._reading = asyncio.Lock()
        self._fresh_until = -math.inf

    async def refresh(self) -> None:
        """At most once in `KEPT_S`, however many ask. What cannot be read is left out until it can."""
        async with self._reading:
            if self._clock() < self._fresh_until:
                return
            await asyncio.gather(_timed("postgres", self._postgres()), _timed("redis", self._redis()))
            self._fresh_until = self._clock() + KEPT_S

    async def close(self) -> None:
        if self._depths is not None:
            await self._depths.close()

    async def _postgres(self) -> None:
        _forget(*_FROM_POSTGRES)
        _show(await standing(self._store, self._store.clock.now()))

    async def _redis(self) -> None:
        _forget(_QUEUES)
        if self._depths is not None:
            for (queue, state), count in (await self._depths.read()).items():
                _QUEUES.set(count, queue, state)


async def _timed(source: str, reading: Awaitable[None]) -> None:
    started = time.perf_counter()
    try:
        await reading
    except Unavailable:
        _READS.observe(time.perf_counter() - started, source, "failed")
    else:
        _READS.observe(time.perf_counter() - started, source, "ok")


def _forget(*gauges: metrics.Gauge[*tuple[str, ...]]) -> None:
    for gauge in gauges:
        gauge.forget()


def _show(found: Standing) -> None:
    by_word = (
        (_DOCUMENTS, found.documents),
        (_READY, found.ready),
        (_LEASED, found.leased),
        (_OLDEST_READY, found.oldest_ready_s),
        (_JOBS, found.jobs),
        (_DOMAINS, found.waiting_domains),
        (_WAITS, {str(rank): wait_s for rank, wait_s in enumerate(found.longest_waits_s, start=1)}),
    )
    for gauge, values in by_word:
        for word, value in values.items():
            gauge.set(value, word)
    _OLDEST_JOB.set(found.oldest_job_s)
    _OVERDUE.set(int(found.overdue))
    _DEAD_LETTERS.set(found.dead_letters)
    _OUTBOX.set(found.outbox)
    _OUTBOX_OLDEST.set(found.outbox_s)
    _WEBHOOKS.set(found.webhooks)
