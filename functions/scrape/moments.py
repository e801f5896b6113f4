"""When a domain may be asked next: one moment for all workers, jobs and callers, exact, in Redis.

Postgres plans: a claim hands out a document of a domain only when its turn has come, and says how long others wait. A
plan is not a request, though: between the two lie look-ups and redirects, and who asks for one page at once has no plan
at all. So every request to a domain that wants a delay takes its moment here, just before it is sent.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis import RedisError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from observe import tracing
from observe.vocabulary import Attributes

# A key lives exactly as long as the domain must be left alone; Redis's own clock decides, the same for everybody. It
# holds that time, too: a key with more left than it was given is of before that clock was set back, and counts no more.
# $1 milliseconds until the next request. Answers the milliseconds to wait; 0 took the moment.
TAKE = """
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= (tonumber(redis.call('GET', KEYS[1])) or left) then return math.max(1, left) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[1])
return 0
"""
# $1 milliseconds. A shorter hold never ends a longer one.
HOLD = """
local left = redis.call('PTTL', KEYS[1])
if left < tonumber(ARGV[1]) or left > (tonumber(redis.call('GET', KEYS[1])) or left) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[1])
end
"""
# Claims go by another clock than Redis, and sooner than the request: so much is waited for in place.
NEAR_S = 0.25

_REDIS: Attributes = {"db.system.name": "redis", "db.operation.name": "EVALSHA"}

log = logging.getLogger(__name__)


class Moments:
    """Without Redis every moment is good: the plan in Postgres still keeps the pace, if not to the millisecond."""

    def __init__(self, redis: Redis) -> None:
        self._take = redis.register_script(TAKE)
        self._hold = redis.register_script(HOLD)
        self._complained = False

    async def take(self, domain: str, delay_s: float) -> float:
        """The next request to the domain may be sent now, and none for `delay_s` after it; or seconds to wait."""
        if delay_s <= 0:
            return 0.0
        try:
            wait_s = await self._try(domain, delay_s)
            while 0 < wait_s <= NEAR_S:
                await asyncio.sleep(wait_s)
                wait_s = await self._try(domain, delay_s)
        except (RedisError, OSError):
            return self._without_redis()
        return wait_s

    async def hold(self, domain: str, wait_s: float) -> None:
        """Nobody asks the domain for so long."""
        try:
            await self._hold(keys=[_key(domain)], args=[max(1, math.ceil(wait_s * 1000))])
        except (RedisError, OSError):
            self._without_redis()

    async def _try(self, domain: str, delay_s: float) -> float:
        with tracing.span("redis EVALSHA", _REDIS, kind="client"):
            return int(await self._take(keys=[_key(domain)], args=[max(1, math.ceil(delay_s * 1000))])) / 1000

    def _without_redis(self) -> float:
        if not self._complained:
            log.warning("Redis does not answer: domains are paced by the claims alone")
            self._complained = True
        return 0.0


def _key(domain: str) -> str:
    return f"sluice:pace:{domain}"


@asynccontextmanager
async def open_moments(url: str) -> AsyncIterator[Moments]:
    redis = Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 1))
    async with redis:
        yield Moments(redis)
