"""How soon documents run again after kill -9 of their worker, and of everything: `python -m benchmarks.recovery`.

With the default lease; `--lease SECONDS` takes another. With a worker's death each document comes alone, one by one.
"""

import argparse
import asyncio
from statistics import median

from tests.faults.recovery import kill_platform, kill_worker
from tests.pipeline.platform import platform
from tests.pipeline.world import endpoint, web


async def measure(lease_s: float) -> None:
    settings = {"LEASE_SECONDS": f"{lease_s:g}"}
    async with endpoint() as model, web() as site, platform(EMBEDDING_API_BASE_URL=model.url, **settings) as made:
        await made.run(site.urls, "warm", 120)
        say(f"a worker killed, lease {lease_s:g} s", await kill_worker(made, site, "worker", 3 * lease_s + 60))
        say("the platform killed and started", await kill_platform(made, site, "platform", 3 * lease_s + 60))


def say(what: str, seconds: list[float]) -> None:
    first, last = seconds[0], seconds[-1]
    print(f"{what:36} {len(seconds):3} documents again after {first:.1f} to {last:.1f} s, median {median(seconds):.1f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lease", type=float, default=60.0)
    asyncio.run(measure(options.parse_args().lease))


if __name__ == "__main__":
    main()
