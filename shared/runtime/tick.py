"""Sends the orchestrator a tick, which sets going what is overdue: for a scheduler that can only start processes.

python -m shared.runtime.tick [--every SECONDS]
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from shared.contracts.envelope import to_event
from shared.contracts.stages import PipelineTick
from shared.errors import SluiceError
from shared.publish.poster import Poster
from shared.runtime.startup import starting
from shared.settings import Environment

log = logging.getLogger(__name__)
ORCHESTRATOR = "orchestrator"
SOURCE = "/tick"
# While a function starts from zero, the platform holds the request.
DELAYS_S = (1.0, 4.0)


async def send(url: str) -> None:
    """It carries nothing, and so needs no signature. Raises `Unavailable` or `InvalidInput`."""
    poster = Poster(DELAYS_S, timeout_s=30.0)
    try:
        await poster.post(url, to_event(PipelineTick(), source=SOURCE, cause=None, time=datetime.now(UTC)))
    finally:
        await poster.close()


async def repeat(url: str, every_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Until it is stopped. A tick that fails is not repeated: the next one comes."""
    while True:
        try:
            await send(url)
        except SluiceError as error:
            log.warning("tick not delivered: %s", error.message, extra={"code": error.code})
        await sleep(every_s)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.runtime.tick")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, with this pause (default: once)")
    args = parser.parse_args(arguments)
    with starting("tick"):
        url = Environment(os.environ).text("FUNCTION_URL_TEMPLATE").format(name=ORCHESTRATOR)
        asyncio.run(send(url) if args.every is None else repeat(url, args.every))
    return 0


if __name__ == "__main__":
    sys.exit(main())
