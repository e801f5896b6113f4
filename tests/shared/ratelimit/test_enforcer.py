"""The sliding window, in a real Redis."""

import asyncio
import logging
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from shared.auth.context import CallerContext
from shared.ratelimit.enforcer import RateLimited, SlidingWindowEnforcer, Verdict
from shared.ratelimit.lane import ScriptLane
from shared.ratelimit.strategies import CompositeStrategy, FairShareStrategy, MembershipTierStrategy, Strategy
from tests.fakes.redis_server import RedisServer
from tests.local_http import closed_port
from tests.numbers import Since, here

WINDOW_S = 60.0
SLICE_S = WINDOW_S / 128
ALICE, BOB = CallerContext("alice"), CallerContext("bob")


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    url: str
    clock: Clock = field(default_factory=Clock)
    made: list[SlidingWindowEnforcer] = field(default_factory=list)

    def enforcer(self, strategy: Strategy) -> SlidingWindowEnforcer:
        redis = Redis.from_url(self.url, decode_responses=True)
        self.made.append(SlidingWindowEnforcer(redis, strategy, window_s=WINDOW_S, clock=self.clock))
        return self.made[-1]

    def limited(self, limit: int) -> SlidingWindowEnforcer:
        return self.enforcer(MembershipTierStrategy({"standard": limit}))


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    made = World(redis_url)
    yield made
    for enforcer in made.made:
        await enforcer.close()


async def allowed(enforcer: SlidingWindowEnforcer, caller: CallerContext = ALICE, cost: int = 1) -> Verdict:
    verdict = await enforcer.check(caller, cost)
    assert verdict is not None
    return verdict


async def refused(enforcer: SlidingWindowEnforcer, caller: CallerContext = ALICE, cost: int = 1) -> RateLimited:
    with pytest.raises(RateLimited) as limited:
        await enforcer.check(caller, cost)
    return limited.value


async def test_up_to_the_limit_and_no_further(world: World) -> None:
    enforcer = world.limited(3)
    assert [(await allowed(enforcer)).remaining for _ in range(3)] == [2, 1, 0]
    error = await refused(enforcer)
    assert error.retry_after_s == pytest.approx(WINDOW_S, abs=SLICE_S)
    assert error.verdict.headers() == {
        "RateLimit-Limit": "3",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": str(ceil(error.verdict.reset_s)),
    }


async def test_the_window_slides(world: World) -> None:
    """No moment resets it: what was spent comes back when its own time is over."""
    enforcer = world.limited(2)
    await allowed(enforcer)
    world.clock.now += 30
    await allowed(enforcer)
    world.clock.now += 29.9
    await refused(enforcer)
    world.clock.now += 0.1 + SLICE_S
    await allowed(enforcer)
    await refused(enforcer)
    world.clock.now += 30
    assert (await allowed(enforcer)).remaining == 0


@pytest.mark.parametrize("cost", [1, 4, 10])
async def test_retry_after_is_when_it_will_be_let_in(world: World, cost: int) -> None:
    enforcer = world.limited(10)
    for _ in range(10):
        await allowed(enforcer)
        world.clock.now += 3
    error = await refused(enforcer, cost=cost)
    assert error.retry_after_s is not None
    world.clock.now += error.retry_after_s - 0.001
    await refused(enforcer, cost=cost)
    world.clock.now += 0.002
    assert (await allowed(enforcer, cost=cost)).remaining == 0


async def test_a_cost_is_spent_whole_or_not_at_all(world: World) -> None:
    enforcer = world.limited(10)
    await allowed(enforcer, cost=8)
    await refused(enforcer, cost=3)
    assert (await allowed(enforcer, cost=2)).remaining == 0


async def test_what_costs_more_than_everything_gets_an_empty_window(world: World) -> None:
    enforcer = world.limited(3)
    assert (await allowed(enforcer, cost=100)).remaining == 0
    await refused(enforcer)
    world.clock.now += WINDOW_S + SLICE_S
    await allowed(enforcer)
    await refused(enforcer, cost=100)


async def test_callers_do_not_spend_from_one_another(world: World) -> None:
    enforcer = world.limited(1)
    await allowed(enforcer, ALICE)
    await refused(enforcer, ALICE)
    await allowed(enforcer, BOB)


async def test_capacity_is_shared_by_those_who_are_active(world: World) -> None:
    enforcer = world.enforcer(FairShareStrategy(12))
    assert (await allowed(enforcer, ALICE)).limit == 12
    assert (await allowed(enforcer, BOB)).limit == 6
    assert (await allowed(enforcer, CallerContext("carol"))).limit == 4
    assert [(await allowed(enforcer, ALICE)).remaining for _ in range(3)] == [2, 1, 0]
    await refused(enforcer, ALICE)
    world.clock.now += WINDOW_S + 2 * SLICE_S
    again = await allowed(enforcer, ALICE)
    assert (again.limit, again.active) == (12, 1), "the others have gone"


async def test_many_callers_leave_one_request_to_each(world: World) -> None:
    enforcer = world.enforcer(FairShareStrategy(3))
    for n in range(10):
        await allowed(enforcer, CallerContext(f"caller-{n}"))
    assert (await refused(enforcer, CallerContext("caller-9"))).verdict.limit == 1


async def test_a_clock_that_was_set_back_refuses_nobody_until_it_is_there_again(world: World) -> None:
    enforcer = world.enforcer(FairShareStrategy(4))
    await allowed(enforcer, BOB)
    await allowed(enforcer, ALICE, 2)
    await refused(enforcer, ALICE)
    world.clock.now -= 3600
    verdict = await allowed(enforcer, ALICE)
    assert (verdict.active, verdict.limit, verdict.remaining) == (1, 4, 3), "Bob's call lies ahead, and counts no more"
    world.clock.now += WINDOW_S + 2 * SLICE_S
    assert (await allowed(enforcer, ALICE)).remaining == 3


async def test_the_strictest_counts(world: World) -> None:
    both = CompositeStrategy((MembershipTierStrategy({"standard": 5, "gold": 50}), FairShareStrategy(20)))
    enforcer = world.enforcer(both)
    assert (await allowed(enforcer, ALICE)).limit == 5
    assert (await allowed(enforcer, CallerContext("bob", tier="gold"))).limit == 10


async def test_our_own_services_have_no_limit(world: World) -> None:
    enforcer, since = world.limited(1), Since()
    for _ in range(3):
        assert await enforcer.check(CallerContext("service", internal=True)) is None
    assert since("sluice_rate_limit_decisions_total", decision="exempt") == 3


async def test_a_busy_caller_takes_a_bounded_place(world: World) -> None:
    enforcer = world.limited(10**6)
    for _ in range(1000):
        await allowed(enforcer)
        world.clock.now += 0.13
    async with Redis.from_url(world.url, decode_responses=True) as redis:
        assert await redis.llen("{sluice-limits}:alice") <= 130
        assert all([0 < await redis.ttl(key) <= 62 for key in await redis.keys("*")]), "nothing stays for ever"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 40), st.integers(1, 6)), min_size=1, max_size=40), st.integers(1, 12))
async def test_no_window_ever_holds_more_than_the_limit(
    world: World, calls: list[tuple[float, int]], limit: int
) -> None:
    """Against the plain definition, and never stricter than a slice of the window explains."""
    enforcer, caller = world.limited(limit), CallerContext(str(uuid4()))
    spent: deque[tuple[float, int]] = deque()
    for pause_s, cost in calls:
        world.clock.now += pause_s
        now, real = world.clock.now, min(cost, limit)
        try:
            await enforcer.check(caller, cost)
        except RateLimited:
            late = sum(c for at, c in spent if at > now - WINDOW_S - SLICE_S - 1e-5)
            assert late + real > limit, "refused without need"
            continue
        spent.append((now, real))
        assert sum(c for at, c in spent if at > now - WINDOW_S) <= limit
    await world.made.pop().close()


def test_fifty_processes_racing_never_exceed_the_limit(redis_url: str) -> None:
    command = (sys.executable, "-m", "tests.shared.ratelimit.racers", redis_url, "200", "50", "6")
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110)
    admitted = [int(number) for number in ended.stdout.split()]
    assert len(admitted) == 50
    assert sum(admitted) == 200


async def test_without_redis_everybody_gets_in_and_it_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    since = Since()
    redis = Redis.from_url(f"redis://127.0.0.1:{closed_port()}", decode_responses=True)
    enforcer = SlidingWindowEnforcer(redis, MembershipTierStrategy({"standard": 1}), open_s=3600)
    with caplog.at_level(logging.WARNING):
        assert [await enforcer.check(ALICE) for _ in range(5)] == [None] * 5
    assert since("sluice_rate_limit_decisions_total", decision="failed_open") == 5
    assert len(caplog.records) == 1, "not a line for each"
    assert here()("sluice_breaker_open", breaker="limiter") == 1
    assert since("sluice_breaker_openings_total", breaker="limiter") == 1
    await enforcer.close()


async def test_limits_are_back_as_soon_as_redis_is(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        redis = Redis.from_url(server.url, decode_responses=True)
        enforcer = SlidingWindowEnforcer(redis, MembershipTierStrategy({"standard": 2}), open_s=0.0)
        since = Since()
        await allowed(enforcer)
        await allowed(enforcer)
        await refused(enforcer)
        assert since("sluice_rate_limit_decisions_total", decision="allowed") == 2
        assert since("sluice_rate_limit_decisions_total", decision="limited") == 1
        server.kill()
        assert await enforcer.check(ALICE) is None
        server.start()
        async with asyncio.timeout(30):
            while await enforcer.check(ALICE) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert here()("sluice_breaker_open", breaker="limiter") == 0
        await allowed(enforcer)
        await refused(enforcer)
        await enforcer.close()
    finally:
        server.kill()


async def test_whoever_hangs_up_does_not_hold_up_the_others(redis_url: str) -> None:
    lane = ScriptLane(Redis.from_url(redis_url, decode_responses=True), "return ARGV[1]", keys=0)
    calls = [asyncio.create_task(lane.call((f"answer {n}",))) for n in range(20)]
    await asyncio.sleep(0)
    calls[3].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, str)] == [f"answer {n}" for n in range(20) if n != 3]
    await lane.close()


async def test_a_script_that_redis_forgot_is_told_again(redis_url: str) -> None:
    redis = Redis.from_url(redis_url, decode_responses=True)
    lane = ScriptLane(redis, "return ARGV[1]", keys=0)
    assert await lane.call(("first",)) == "first"
    await redis.script_flush()
    assert await asyncio.gather(*(lane.call((word,)) for word in "ab")) == ["a", "b"]
    await lane.close()
