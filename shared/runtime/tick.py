"""Sends the orchestrator a tick, which sets going what is overdue: for a scheduler that can only start processes.

python -m shared.runtime.tick
"""

import asyncio
import os
import sys
from datetime import UTC, datetime

from shared.contracts.envelope import to_event
from shared.contracts.stages import PipelineTick
from shared.publish.poster import Poster
from shared.runtime.startup import starting
from shared.settings import Environment

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


def main() -> int:
    with starting("tick"):
        url = Environment(os.environ).text("FUNCTION_URL_TEMPLATE").format(name=ORCHESTRATOR)
        asyncio.run(send(url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
