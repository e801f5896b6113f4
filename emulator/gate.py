"""Asks the database whether a tick is worth sending."""

import logging

import asyncpg

ANSWER_S = 5.0

_log = logging.getLogger(__name__)


class SqlGate:
    """Keeps one connection. While the database cannot answer, the answer is no: the next tick asks again."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: asyncpg.Connection | None = None
        self._failing = False

    async def __call__(self, sql: str) -> bool:
        try:
            answer = await (await self._connected()).fetchval(sql, timeout=ANSWER_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as exc:
            if not self._failing:
                _log.warning("the condition of a tick cannot be read: %s", type(exc).__name__)
            self._failing = True
            return False
        self._failing = False
        return bool(answer)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connected(self) -> "asyncpg.Connection":
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._database_url, timeout=ANSWER_S, statement_cache_size=0)
        return self._connection
