"""The connections to one replica that nobody uses at the moment."""

import asyncio
from collections import deque

from emulator.upstream.connection import Connection

# Shorter than any server's own, so that we never write into a connection that its other end just gave up.
KEEP_ALIVE_S = 1.5


class Pool:
    """Hands out the one that was used last, so that those too many grow old and go."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._idle: deque[tuple[float, Connection]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    def reuse(self) -> Connection | None:
        while self._idle:
            since, connection = self._idle.pop()
            if not connection.closed:
                if asyncio.get_running_loop().time() - since < KEEP_ALIVE_S:
                    return connection
                connection.close()
        return None

    async def open(self) -> Connection:
        """Raises `OSError`."""
        return await Connection.open(self.port)

    def give_back(self, connection: Connection) -> None:
        if not connection.finish():
            return
        if self._closed:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time(), connection))
        if self._sweep is None:
            self._sweep = loop.call_later(KEEP_ALIVE_S, self._close_old)

    def close(self) -> None:
        """Of the connections in use each goes when it is given back."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self._idle:
            self._idle.pop()[1].close()

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and (self._idle[0][1].closed or loop.time() - self._idle[0][0] >= KEEP_ALIVE_S):
            self._idle.popleft()[1].close()
        self._sweep = loop.call_later(KEEP_ALIVE_S, self._close_old) if self._idle else None
