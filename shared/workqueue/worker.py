"""Hosts an RQ worker: one process a wake-up, forked from a parent that has the heavy modules loaded."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis, RedisError
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from rq import Worker
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer

from shared.settings import Environment
from shared.workqueue.probes import Answer, serve_probes

log = logging.getLogger(__name__)

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
    tally = _Tally()
    serve_probes((settings.host, settings.port), {"/healthz": lambda: (200, "ok\n"), **_routes(settings, tally)})
    preload()
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


@dataclass(slots=True)
class _Tally:
    """What the parent knows of its horses."""

    jobs: int = 0
    stopping: bool = False
    busy_since: float | None = None
    busy_seconds: float = 0.0


class _ForkingWorker(Worker):
    """RQ's worker, which tells its horse when it is asked to stop instead of waiting for it in silence."""

    max_connection_wait_time = 5.0
    log_result_lifespan = False
    tally: _Tally

    def execute_job(self, job: Job, queue: Queue) -> None:
        started = time.monotonic()
        self.tally.busy_since = started
        try:
            super().execute_job(job, queue)
        finally:
            self.tally.busy_since = None
            self.tally.busy_seconds += time.monotonic() - started
            self.tally.jobs += 1

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


def _routes(settings: WorkerSettings, tally: _Tally) -> dict[str, Callable[[], Answer]]:
    redis = Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=1)

    def ready() -> Answer:
        try:
            redis.ping()
        except RedisError as exc:
            return 503, f"Redis does not answer: {type(exc).__name__}\n"
        return 200, "ready\n"

    return {"/readyz": ready, "/metrics": lambda: (200, _metrics(settings.queue, tally))}


def _metrics(queue: str, tally: _Tally) -> str:
    values = {
        "wake_ups_total counter": tally.jobs,
        "busy_seconds_total counter": round(tally.busy_seconds, 3),
        "busy gauge": int(tally.busy_since is not None),
    }
    lines: list[str] = []
    for named, value in values.items():
        name = f"sluice_worker_{named.split()[0]}"
        lines += [f"# TYPE sluice_worker_{named}", f'{name}{{queue="{queue}"}} {value}']
    return "\n".join(lines) + "\n"
