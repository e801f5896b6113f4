"""Wake-ups for workers: RQ jobs that say "claim and work", and nothing else. Losing one costs a few seconds."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.errors import Unavailable
from shared.workqueue import wake_ups
from shared.workqueue.settings import WakeSettings

if TYPE_CHECKING:
    from redis import Redis

# A wake-up that is still not started after this long may be lost with Redis or its worker, so another is allowed.
STALE_S = 30
FAILURES_KEPT_S = 3600


class Waker:
    """One wake-up a slot waits at a time: a slot is a worker's place, the next one is for when the first is full."""

    def __init__(
        self, redis_url: str, queue: str, task: str, *, slots: int = 4, hard_limit_s: int = 3600, stale_s: int = STALE_S
    ) -> None:
        self._url = redis_url
        self.queue = queue
        self._task = task
        self._slots = slots
        self._hard_limit_s = hard_limit_s
        self._stale_s = stale_s
        self._connection: Redis | None = None

    @classmethod
    def of(cls, settings: WakeSettings) -> "Waker":
        return cls(settings.redis_url, settings.queue, settings.task, slots=settings.slots)

    async def wake(self, slot: int = 0) -> bool:
        """False when nobody needs to be woken: one waits already, or there is no such slot. Raises `Unavailable`."""
        if slot >= self._slots:
            return False
        with wake_ups.sending(self.queue):
            return await asyncio.to_thread(self._guarded, self._wake, slot)

    async def started(self, slot: int) -> None:
        """To be called when a wake-up starts, before the first claim: what becomes ready later needs a new one."""
        await asyncio.to_thread(self._guarded, self._started, slot)

    def _guarded(self, do: "Callable[[Redis, int], bool]", slot: int) -> bool:
        from redis import RedisError  # noqa: PLC0415

        try:
            return do(self._open(), slot)
        except RedisError as exc:
            raise Unavailable("redis_unavailable", f"Redis does not answer: {type(exc).__name__}") from exc

    def _wake(self, redis: "Redis", slot: int) -> bool:
        from rq import Queue, Retry  # noqa: PLC0415
        from rq.serializers import JSONSerializer  # noqa: PLC0415

        if not redis.set(self._lock(slot), "waiting", nx=True, ex=self._stale_s):
            return False
        queue = Queue(self.queue, connection=redis, serializer=JSONSerializer)
        if queue.count >= self._slots:
            return False
        queue.enqueue(
            self._task,
            slot,
            retry=Retry(max=3),
            job_timeout=self._hard_limit_s,
            result_ttl=0,
            failure_ttl=FAILURES_KEPT_S,
            meta=wake_ups.carried(),
        )
        return True

    def _started(self, redis: "Redis", slot: int) -> bool:
        return bool(redis.delete(self._lock(slot)))

    def _lock(self, slot: int) -> str:
        return f"sluice:wake:{self.queue}:{slot}"

    def _open(self) -> "Redis":
        from redis import Redis  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        if self._connection is None:
            self._connection = Redis.from_url(
                self._url, socket_connect_timeout=2, socket_timeout=5, retry=Retry(NoBackoff(), 1)
            )
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
