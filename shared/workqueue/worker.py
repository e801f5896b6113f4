"""Hosts an RQ worker: one process a wake-up, forked from a parent that has the heavy modules loaded."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from resource import struct_rusage
from typing import Final

from redis import Redis, RedisError
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from rq import Worker
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer

from observe import metrics, tracing
from observe.exposition import exposition
from shared.settings import Environment
from shared.workqueue.counts import COUNTS
from shared.workqueue.probes import Answer, Probe, serve_probes

log = logging.getLogger(__name__)

_WAKE_UPS: Final = metrics.counter("sluice_worker_wake_ups_total", "Wake-ups that ended.", "queue")
_BUSY: Final = metrics.gauge("sluice_worker_busy", "1 during a wake-up.", "queue")
_CPU_SECONDS: Final = metrics.counter(
    "sluice_worker_cpu_seconds_total", "Processor time of the processes forked for wake-ups.", "queue"
)
_KILLED: Final = metrics.counter("sluice_worker_killed_total", "Wake-ups whose process was killed.", "queue")

RECONNECT_S = 2.0
# An idle worker looks for jobs of dead workers this often.
MAINTENANCE_S = 60


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The process ends after `max_jobs` wake-ups and the platform starts a fresh one."""

    queue: str
    redis_url: str
    host: str
    port: int
    max_jobs: int

    @classmethod
    def read(cls, env: Environment, queue: str) -> "WorkerSettings":
        return cls(
            queue=queue,
            redis_url=env.text("REDIS_URL"),
            host=env.listen_host(),
            port=env.integer("PORT", 8080),
            max_jobs=env.integer("WORKER_MAX_JOBS", 150, minimum=1),
        )


def run_worker(settings: WorkerSettings, preload: Callable[[], None]) -> None:
    """Works until SIGTERM or `max_jobs`. `preload` imports what jobs need and starts nothing."""
    _exit_on_signal()
    tally = _Tally(settings.queue)
    serve_probes((settings.host, settings.port), _probes(settings))
    preload()
    tracing.preload()
    COUNTS.listen()
    while tally.jobs < settings.max_jobs:
        try:
            _work(settings, tally)
        except RedisError as exc:
            log.warning("Redis does not answer, will try again: %s", exc)
        _exit_on_signal()
        if tally.stopping:
            return
        time.sleep(RECONNECT_S if tally.jobs < settings.max_jobs else 0)


def _work(settings: WorkerSettings, tally: "_Tally") -> None:
    """Returns on a stop, after the last job, and when RQ gives up for a reason of its own: then a new worker starts."""
    # RQ waits for a lost Redis by itself; the client's own patience would only keep a horse from leaving.
    connection = Redis.from_url(settings.redis_url, socket_connect_timeout=2, retry=Retry(ConstantBackoff(0.2), 1))
    try:
        worker = _ForkingWorker(
            [settings.queue],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=MAINTENANCE_S + 15,
            maintenance_interval=MAINTENANCE_S,
        )
        worker.tally = tally
        worker.work(logging_level="WARNING", max_jobs=settings.max_jobs - tally.jobs)
    finally:
        connection.close()


class _Tally:
    """What the parent knows of its horses."""

    def __init__(self, queue: str) -> None:
        self.jobs = 0
        self.stopping = False
        self._queue = queue
        for counter in (_WAKE_UPS, _CPU_SECONDS, _KILLED):
            counter.expect(queue)
        _BUSY.set(0, queue)

    def begins(self) -> None:
        _BUSY.set(1, self._queue)

    def ends(self) -> None:
        self.jobs += 1
        _BUSY.set(0, self._queue)
        _WAKE_UPS.inc(self._queue)
        COUNTS.ended()

    def buried(self, status: int, used: struct_rusage) -> None:
        _CPU_SECONDS.inc(self._queue, by=used.ru_utime + used.ru_stime)
        if os.WIFSIGNALED(status):
            _KILLED.inc(self._queue)


class _ForkingWorker(Worker):
    """RQ's worker, which tells its horse when it is asked to stop instead of waiting for it in silence."""

    max_connection_wait_time = 5.0
    log_result_lifespan = False
    tally: _Tally

    def execute_job(self, job: Job, queue: Queue) -> None:
        self.tally.begins()
        try:
            super().execute_job(job, queue)
        finally:
            self.tally.ends()

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        COUNTS.begin()
        super().main_work_horse(job, queue)

    def wait_for_horse(self) -> tuple[int | None, int | None, struct_rusage | None]:
        pid, status, used = super().wait_for_horse()
        if status is not None and used is not None:
            self.tally.buried(status, used)
        return pid, status, used

    def handle_warm_shutdown_request(self) -> None:
        """Only the horse itself is signalled: just after the fork its group is still this process's own."""
        self.tally.stopping = True
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)

    def setup_work_horse_signals(self) -> None:
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        if self.tally.stopping:
            signal.raise_signal(signal.SIGTERM)


def _exit_on_signal() -> None:
    """For the moments in which RQ is not in charge."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def _probes(settings: WorkerSettings) -> dict[str, Probe]:
    redis = Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=1)

    def ready(_accept: str) -> Answer:
        try:
            redis.ping()
        except RedisError as exc:
            return Answer(503, f"Redis does not answer: {type(exc).__name__}\n".encode())
        return Answer(200, b"ready\n")

    return {"/healthz": lambda _accept: Answer(200, b"ok\n"), "/readyz": ready, "/metrics": _metrics}


def _metrics(accept: str) -> Answer:
    found = exposition(accept)
    return Answer(200, found.body, found.content_type)
