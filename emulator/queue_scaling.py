"""Workers follow their RQ queue: up with what waits and runs, down only when nothing does."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Depth:
    """`waiting` includes retries that are due: without a worker nobody would move them to the queue."""

    waiting: int = 0
    running: int = 0

    @property
    def total(self) -> int:
        return self.waiting + self.running


def decide_workers(depth: Depth, replicas: int, idle_for_s: float, *, minimum: int, maximum: int, zero_s: float) -> int:
    """Never takes one of several away while jobs run: nobody outside knows which of them is busy."""
    if depth.total:
        return max(minimum, replicas, min(depth.total, maximum))
    return minimum if idle_for_s >= zero_s else max(minimum, replicas)


class QueueDemand:
    """Keeps the last depth that was read. Unknown, as while Redis is down, changes nothing."""

    def __init__(self, *, minimum: int, maximum: int, zero_s: float, now_s: float) -> None:
        self.depth = Depth()
        self._minimum = minimum
        self._maximum = maximum
        self._zero_s = zero_s
        self._busy_at_s = now_s

    def observe(self, depth: Depth, now_s: float) -> None:
        self.depth = depth
        if depth.total:
            self._busy_at_s = now_s

    def desired(self, replicas: int, now_s: float) -> int:
        return decide_workers(
            self.depth,
            replicas,
            now_s - self._busy_at_s,
            minimum=self._minimum,
            maximum=self._maximum,
            zero_s=self._zero_s,
        )


class QueueReader:
    """Reads all queues in one round trip."""

    def __init__(self, redis_url: str, queues: Sequence[str]) -> None:
        self._redis = Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._queues = tuple(queues)
        self._down = False

    async def read(self) -> Mapping[str, Depth]:
        """Nothing while Redis is down."""
        try:
            depths = await self._read()
        except (RedisError, OSError, TimeoutError) as exc:
            if not self._down:
                _log.warning("queue depths cannot be read: %s", type(exc).__name__)
            self._down = True
            return {}
        self._down = False
        return depths

    async def close(self) -> None:
        await self._redis.aclose()

    async def _read(self) -> Mapping[str, Depth]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for queue in self._queues:
                pipe.llen(f"rq:queue:{queue}")
                pipe.llen(f"rq:queue:{queue}:intermediate")
                pipe.zcount(f"rq:scheduled:{queue}", "-inf", time.time())
                pipe.zcard(f"rq:wip:{queue}")
            answers = await pipe.execute()
        return {
            queue: _depth(answers[at : at + 4])
            for at, queue in zip(range(0, len(answers), 4), self._queues, strict=True)
        }


def _depth(counts: Sequence[int]) -> Depth:
    queued, taken, due, running = counts
    return Depth(waiting=queued + due, running=max(taken, running))
