"""One moment for all: processes that know nothing of each other never come closer than a domain wants."""

import asyncio
import itertools
import subprocess
import sys
import time
from pathlib import Path

from redis.asyncio import Redis

from functions.scrape.moments import open_moments
from tests.local_http import closed_port

ROOT = Path(__file__).parents[3]
PROCESSES = 4
# Each takes what it can get for a while, in ten tasks at once, and prints when Redis said so.
HAMMER = """
import asyncio, sys, time
from functions.scrape import moments
moments.NEAR_S = 0  # every refusal is its own answer

async def main(url, delay_s):
    async with moments.open_moments(url) as it:
        async def task():
            while time.time() < until:
                before = time.time()
                if await it.take("d.example:80", delay_s) == 0:
                    print(before, time.time())
        print("ready", flush=True)
        until = float(sys.stdin.readline())
        await asyncio.gather(*(task() for _ in range(10)))

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


def test_processes_that_compete_never_come_too_close(redis_url: str) -> None:
    delay_s, seconds = 0.1, 2.0
    command = [sys.executable, "-c", HAMMER, redis_url, str(delay_s)]
    family = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(PROCESSES)
    ]
    for process in family:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    until = time.time() + seconds
    outputs = [process.communicate(f"{until}\n", timeout=60)[0] for process in family]
    taken = sorted(tuple(map(float, line.split())) for output in outputs for line in output.splitlines())
    # Redis decided somewhere between the two times of each line: at most so far apart were two decisions.
    closest = min(later[1] - earlier[0] for earlier, later in itertools.pairwise(taken))
    assert closest >= delay_s
    assert len(taken) <= seconds / delay_s + 2
    assert len(taken) >= seconds / delay_s / 2


async def test_a_near_moment_is_waited_for_and_a_far_one_told(redis_url: str) -> None:
    async with open_moments(redis_url) as moments, open_moments(redis_url) as others:
        assert await moments.take("near.example", 0.1) == 0
        assert await others.take("near.example", 5.0) == 0
        assert 4.0 < await moments.take("near.example", 0.1) <= 5.0
        assert await moments.take("other.example", 5.0) == 0


async def test_a_hold_is_kept_by_all_and_never_shortened(redis_url: str) -> None:
    async with open_moments(redis_url) as moments, open_moments(redis_url) as others:
        await moments.hold("d.example", 60)
        await moments.hold("d.example", 1)
        assert 50 < await others.take("d.example", 1) <= 60


async def test_a_clock_that_was_set_back_keeps_no_domain_closed(redis_url: str) -> None:
    """Then a key has more left than it was given: here by an hour."""
    async with open_moments(redis_url) as moments, Redis.from_url(redis_url) as redis:
        assert await moments.take("d.example", 1.0) == 0
        await redis.pexpire("sluice:pace:d.example", 3_600_000)
        assert await moments.take("d.example", 1.0) == 0
        await redis.pexpire("sluice:pace:d.example", 3_600_000)
        await moments.hold("d.example", 60)
        assert 50 < await moments.take("d.example", 1) <= 60


async def test_who_wants_no_delay_asks_nobody() -> None:
    async with open_moments(f"redis://127.0.0.1:{closed_port()}/0") as moments:
        assert await moments.take("d.example", 0) == 0
        assert not moments._complained


async def test_without_redis_the_plan_alone_keeps_the_pace() -> None:
    async with open_moments(f"redis://127.0.0.1:{closed_port()}/0") as moments:
        for _ in range(2):
            assert await moments.take("d.example", 5) == 0
        await moments.hold("d.example", 5)
        assert moments._complained


async def test_tasks_of_one_process_share_a_moment_too(redis_url: str) -> None:
    async with open_moments(redis_url) as moments:
        waits = await asyncio.gather(*(moments.take("d.example", 2.0) for _ in range(50)))
    assert waits.count(0) == 1
