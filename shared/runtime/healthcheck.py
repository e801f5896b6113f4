"""Asks a process of ours, or any address, whether it is well: the health check of an image that has no curl.

python -m shared.runtime.healthcheck [--wait SECONDS] [PATH | URL]
"""

import argparse
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence

TIMEOUT_S = 4.0
PAUSE_S = 2.0


def is_well(url: str) -> bool:
    """Whether it answers 2xx in time. No proxy is asked: the question is about this very machine or cluster."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_S) as response:
            status: int = response.status
            return 200 <= status < 300
    except (OSError, ValueError):  # refused, too late, or an answer that says no
        return False


def wait(
    url: str,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Asks again until it is well or the time is over; once at least."""
    until = clock() + seconds
    while not is_well(url):
        if clock() >= until:
            return False
        sleep(PAUSE_S)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """0: well; 1: not."""
    parser = argparse.ArgumentParser(prog="python -m shared.runtime.healthcheck")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("target", nargs="?", default="/healthz", metavar="PATH|URL")
    args = parser.parse_args(arguments)
    here = f"http://127.0.0.1:{os.environ.get('PORT') or 8080}"
    url = here + args.target if args.target.startswith("/") else args.target
    return 0 if wait(url, args.wait) else 1


if __name__ == "__main__":
    sys.exit(main())
