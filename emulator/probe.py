"""Asks a starting replica whether it takes requests: by HTTP where the deployment names a path, else by connecting."""

import asyncio
import contextlib
import socket

import aiohttp

from emulator.manifests import FunctionSpec
from emulator.replica import Replica

FIRST_WAIT_S = 0.01
LONGEST_WAIT_S = 0.02
ONE_PROBE = aiohttp.ClientTimeout(total=5)


class Prober:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def until_ready(self, replica: Replica, spec: FunctionSpec, timeout_s: float) -> bool:
        """False when it ended or took too long. A queue worker takes no requests: it is ready at once."""
        if spec.queue is not None:
            return True
        wait_s = FIRST_WAIT_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while replica.process.alive:
                    if await self._answers(replica, spec.ready_path):
                        return True
                    await asyncio.sleep(wait_s)
                    wait_s = min(LONGEST_WAIT_S, wait_s * 1.3)
        return False

    async def _answers(self, replica: Replica, path: str | None) -> bool:
        if not await _connects(replica.port):
            return False
        if path is None:
            return True
        try:
            async with self._session.get(f"{replica.base_url}{path}", timeout=ONE_PROBE) as response:
                return response.status < 300
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False


async def _connects(port: int) -> bool:
    with socket.socket() as connection:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except OSError:
            return False
    return True
