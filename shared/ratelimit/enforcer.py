"""Holds callers to their limits: one round trip to Redis a call, exact across all processes that share it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from typing import TYPE_CHECKING, Final

from observe import metrics
from shared.auth.breaker import CircuitBreaker
from shared.auth.context import CallerContext
from shared.errors import Overloaded, Unavailable
from shared.ratelimit.lane import TIMEOUT_S, ScriptLane
from shared.ratelimit.settings import LimitSettings
from shared.ratelimit.strategies import Strategy, Terms

if TYPE_CHECKING:
    from redis.asyncio import Redis

# Every key has the same hash tag, so that one script may use them on a Redis Cluster.
PREFIX: Final = "{sluice-limits}"
SCRIPT: Final = (files("shared.ratelimit") / "window.lua").read_text(encoding="utf-8")
logger = logging.getLogger(__name__)

_DECISIONS: Final = (
    metrics.counter("sluice_rate_limit_decisions_total", "Requests let in, or not.", "decision")
    .expect("allowed")
    .expect("limited")
    .expect("failed_open")
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reset_s`: when the oldest of what was spent comes back; `active`: callers that share the capacity."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: float
    active: int

    def headers(self) -> dict[str, str]:
        """As the drafts of RateLimit header fields have them, a field each."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(ceil(self.reset_s)),
        }


class RateLimited(Overloaded):
    """The caller has spent its window: `verdict` says what there was."""

    def __init__(self, code: str, message: str, verdict: Verdict) -> None:
        super().__init__(code, message, retry_after_s=verdict.reset_s)
        self.verdict = verdict


class SlidingWindowEnforcer:
    """Fails open: without Redis everybody gets in, which is counted, and said in the log once per `open_s`."""

    def __init__(
        self,
        redis: "Redis",
        strategy: Strategy,
        *,
        window_s: float = 60.0,
        clock: Callable[[], float] | None = None,
        open_s: float = 2.0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`clock` gives seconds; without one the clock of Redis counts, which all processes share."""
        self._lane = ScriptLane(redis, SCRIPT, keys=2, timeout_s=timeout_s)
        self._strategy = strategy
        self._window_us = int(window_s * 1_000_000)
        self._clock = clock
        self._breaker = CircuitBreaker("limiter", clock=time.monotonic, failures=1, open_s=open_s)

    @classmethod
    def open(cls, settings: LimitSettings) -> "SlidingWindowEnforcer":
        """Connects at the first call, not now."""
        from redis.asyncio import Redis  # noqa: PLC0415

        redis = Redis.from_url(settings.redis_url, decode_responses=True)
        return cls(redis, settings.strategy(), window_s=settings.window_s)

    async def check(self, caller: CallerContext, cost: int = 1) -> Verdict | None:
        """Spends `cost` of the caller's window. Raises `RateLimited` when there is not enough left of it.

        None where no limit holds: for our own services, without a strategy's limit, and while Redis is away.
        """
        terms = self._strategy.terms(caller)
        if caller.internal or terms == Terms():
            _DECISIONS.inc("exempt")
            return None
        try:
            verdict = await self._spend(caller.caller_id, terms, cost)
        except Unavailable:
            _DECISIONS.inc("failed_open")
            return None
        _DECISIONS.inc("allowed" if verdict.allowed else "limited")
        if not verdict.allowed:
            message = f"you have used up your {verdict.limit} requests; wait as long as Retry-After says"
            raise RateLimited("rate_limited", message, verdict)
        return verdict

    async def close(self) -> None:
        await self._lane.close()

    async def _spend(self, caller_id: str, terms: Terms, cost: int) -> Verdict:
        """Raises `Unavailable`."""
        self._breaker.check()
        now = "" if self._clock is None else int(self._clock() * 1_000_000)
        keys = (f"{PREFIX}:{caller_id}", f"{PREFIX}:active")
        values = (self._window_us, terms.limit or 0, terms.capacity or 0, cost, now)
        try:
            answer = await self._lane.call((*keys, *values))
        except Unavailable as error:
            self._say(error)
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        allowed, limit, remaining, reset_us, active = map(int, answer.split())
        return Verdict(bool(allowed), limit, remaining, reset_us / 1_000_000, active)

    def _say(self, error: Unavailable) -> None:
        """Once for all that wait together, and again at each look."""
        if self._breaker.closed:
            logger.warning("no limits for now: %s", error.message, extra={"code": error.code})
