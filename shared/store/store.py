"""The door to Postgres: a small pool without session state, so that PgBouncer may stand between."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from observe import tracing
from shared.errors import Unavailable
from shared.store.clock import Clock
from shared.store.queries import load
from shared.store.spans import observed

if TYPE_CHECKING:
    import asyncpg

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

Row: TypeAlias = "asyncpg.Record"

_WHAT_TIME: Final = load("clock")["what_time"]


class Store:
    """Owns the pool. `async with await Store.open(dsn) as store:`, or `open` and `close`.

    `clock` is what those who write and those who judge moments in the database go by.
    """

    def __init__(self, pool: "Pool", connection: "Connection | None" = None, clock: Clock | None = None) -> None:
        self.pool = pool
        self.connection = connection
        self.clock = clock or Clock()

    @classmethod
    async def open(cls, dsn: str, *, pool_size: int = 4, timeout_s: float = 30.0) -> "Store":
        """`?pgbouncer=true` in the address turns prepared statements off. Raises `Unavailable` when nobody answers."""
        import asyncpg  # noqa: PLC0415

        address, pgbouncer = split_dsn(dsn)
        with translated():
            pool = await asyncpg.create_pool(
                address,
                min_size=1,
                max_size=pool_size,
                command_timeout=timeout_s,
                statement_cache_size=0 if pgbouncer else 200,
                reset=_nothing_to_reset,
                init=observed if tracing.enabled() else None,
            )
            opened = cls(pool)
            await opened._ask_time(pool)
        return opened

    async def fetch(self, sql: str, *values: object) -> "list[asyncpg.Record]":
        """One statement, a transaction of its own."""
        with translated():
            return await (await self._door()).fetch(sql, *values)

    async def fetch_row(self, sql: str, *values: object) -> "asyncpg.Record | None":
        """Its first row."""
        with translated():
            return await (await self._door()).fetchrow(sql, *values)

    @asynccontextmanager
    async def pinned(self) -> "AsyncIterator[Store]":
        """The same store on one connection: each trip to the pool costs as much as a short statement."""
        if self.connection is not None:
            yield self
            return
        with translated():
            async with self.pool.acquire() as connection:
                await self._ask_time(connection)
                yield Store(self.pool, connection, self.clock)

    @asynccontextmanager
    async def transaction(self) -> "AsyncIterator[Connection]":
        """Several statements, all or none."""
        async with self.pinned() as pinned:
            assert pinned.connection is not None
            with translated():
                async with pinned.connection.transaction():
                    yield pinned.connection

    async def _door(self) -> "Pool | Connection":
        if self.connection is not None:
            return self.connection
        await self._ask_time(self.pool)
        return self.pool

    async def _ask_time(self, door: "Pool | Connection") -> None:
        asked_at = self.clock.asking()
        if asked_at is None:
            return
        try:
            said = await door.fetchval(_WHAT_TIME)
        except BaseException:
            self.clock.unheard()
            raise
        self.clock.heard(said, asked_at)

    async def close(self) -> None:
        await self.pool.close()

    async def __aenter__(self) -> "Store":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


@contextmanager
def translated() -> Iterator[None]:
    """What Postgres may say when a retry can help, as `Unavailable`."""
    import asyncpg  # noqa: PLC0415

    try:
        yield
    except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError) as exc:
        raise Unavailable("database_busy", "two transactions stood in each other's way", retry_after_s=1) from exc
    except (
        OSError,
        TimeoutError,
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # between the server's last word and the end of the line
    ) as exc:
        raise Unavailable("database_unavailable", "Postgres does not answer", retry_after_s=1) from exc


async def _nothing_to_reset(_connection: object) -> None:
    """We leave no session state behind, so a connection needs no extra round trip on its way back."""


def split_dsn(dsn: str) -> tuple[str, bool]:
    """The address as the driver wants it, and whether PgBouncer stands before it."""
    parts = urlsplit(dsn)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in query if name != "pgbouncer"]
    return urlunsplit(parts._replace(query=urlencode(kept))), ("pgbouncer", "true") in query
