"""Many processes that spend from one window at the same time.

`python -m tests.shared.ratelimit.racers REDIS_URL LIMIT PROCESSES TRIES` prints how often each was let in. One process
imports and forks the others, which wait for the last of them.
"""

import asyncio
import os
import sys

from redis.asyncio import Redis

from shared.auth.context import CallerContext
from shared.ratelimit.enforcer import RateLimited, SlidingWindowEnforcer
from shared.ratelimit.strategies import MembershipTierStrategy


async def race(url: str, limit: int, tries: int) -> int:
    redis = Redis.from_url(url, decode_responses=True)
    enforcer = SlidingWindowEnforcer(redis, MembershipTierStrategy({"standard": limit}), window_s=3600, timeout_s=60)
    caller = CallerContext("the-same-for-all")
    admitted = 0
    for _ in range(tries):
        try:
            assert await enforcer.check(caller) is not None, "Redis did not answer, so nothing is proved"
            admitted += 1
        except RateLimited:
            pass
    await enforcer.close()
    return admitted


def main(url: str, limit: int, processes: int, tries: int) -> None:
    waiting, go = os.pipe()
    results, done = os.pipe()
    pids = []
    for _ in range(processes):
        if pid := os.fork():
            pids.append(pid)
            continue
        os.close(go)
        os.read(waiting, 1)  # ends for all at once when the parent closes its end
        os.write(done, f"{asyncio.run(race(url, limit, tries))}\n".encode())
        os._exit(0)
    os.close(go)
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    os.close(done)
    with os.fdopen(results) as lines:
        print(*[line.strip() for line in lines])
    sys.exit(any(statuses))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
