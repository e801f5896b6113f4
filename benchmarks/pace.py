"""The pace limiter beside a plain script call to the same Redis: `python -m benchmarks.pace [--seconds S]`.

All go over one connection, a call at a time, in short alternating turns, so that a busy machine slows them alike. The
limiter is asked for domains that are free, and for one that must be left alone.
"""

import argparse
import asyncio
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotYet

from emulator.redis_server import binary
from functions.scrape.moments import Moments

TURN_S = 0.25
Call = Callable[[int], Awaitable[object]]


async def rates(redis: Redis, seconds: float) -> dict[str, float]:
    """Calls a second."""
    plain, moments = redis.register_script("return 0"), Moments(redis)
    calls: dict[str, Call] = {
        "plain script": lambda _: plain(keys=["d.example"], args=[1000]),
        "moment taken": lambda number: moments.take(f"{number}.example", 1.0),
        "must wait": lambda _: moments.take("d.example", 3600.0),
    }
    spent, made = dict.fromkeys(calls, 0.0), dict.fromkeys(calls, 0)
    number, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for name, call in calls.items():
            started = time.perf_counter()
            while time.perf_counter() - started < TURN_S:
                number += 1
                await call(number)
                made[name] += 1
            spent[name] += time.perf_counter() - started
    return {name: made[name] / spent[name] for name in calls}


@contextmanager
def server() -> Iterator[str]:
    """A Redis of its own, on a socket."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder, "redis.sock")
        options = ("--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder)
        process = subprocess.Popen([binary(), *options], stdout=subprocess.DEVNULL)
        try:
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()


async def measure(url: str, seconds: float) -> dict[str, float]:
    async with Redis.from_url(url) as redis:
        while True:
            try:
                await redis.ping()
                break
            except NotYet:
                await asyncio.sleep(0.05)
        return await rates(redis, seconds)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=6.0)
    seconds = options.parse_args().seconds
    with server() as url:
        found = asyncio.run(measure(url, seconds))
    for name, rate in found.items():
        print(f"{name:14}{rate:10,.0f} a second{rate / found['plain script']:8.2f} of a plain script")


if __name__ == "__main__":
    main()
