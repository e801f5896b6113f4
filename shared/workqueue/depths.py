"""How many wake-ups Redis holds, by queue and by where they stand."""

from collections.abc import Mapping, Sequence
from typing import Final

from redis import RedisError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.errors import Unavailable

STATES: Final = ("waiting", "running", "scheduled", "failed")
TIMEOUT_S: Final = 2.0


class Depths:
    """All queues in one round trip."""

    def __init__(self, redis_url: str, queues: Sequence[str]) -> None:
        self._queues = tuple(queues)
        self._redis = Redis.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
        )

    async def read(self) -> Mapping[tuple[str, str], int]:
        """By queue and state. Raises `Unavailable`."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for queue in self._queues:
                    pipe.llen(f"rq:queue:{queue}")
                    pipe.zcard(f"rq:wip:{queue}")
                    pipe.zcard(f"rq:scheduled:{queue}")
                    pipe.zcard(f"rq:failed:{queue}")
                answers = await pipe.execute()
        except (RedisError, OSError) as exc:
            raise Unavailable("redis_unavailable", f"Redis does not answer: {type(exc).__name__}") from exc
        places = [(queue, state) for queue in self._queues for state in STATES]
        return dict(zip(places, answers, strict=True))

    async def close(self) -> None:
        await self._redis.aclose()
