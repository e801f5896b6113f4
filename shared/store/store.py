"""The door to Postgres: a small pool without session state, so that PgBouncer may stand between."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from shared.errors import Unavailable

if TYPE_CHECKING:
    import asyncpg

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

Row: TypeAlias = "asyncpg.Record"


class Store:
    """Owns the pool. `async with await Store.open(dsn) as store:`, or `open` and `close`."""

    def __init__(self, pool: "Pool", connection: "Connection | None" = None) -> None:
        self.pool = pool
        self.connection = connection

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
            )
        return cls(pool)

    async def fetch(self, sql: str, *values: object) -> "list[asyncpg.Record]":
        """One statement, a transaction of its own."""
        with translated():
            return await (self.connection or self.pool).fetch(sql, *values)

    async def fetch_row(self, sql: str, *values: object) -> "asyncpg.Record | None":
        """Its first row."""
        with translated():
            return await (self.connection or self.pool).fetchrow(sql, *values)

    @asynccontextmanager
    async def pinned(self) -> "AsyncIterator[Store]":
        """The same store on one connection: each trip to the pool costs as much as a short statement."""
        if self.connection is not None:
            yield self
            return
        with translated():
            async with self.pool.acquire() as connection:
                yield Store(self.pool, connection)

    @asynccontextmanager
    async def transaction(self) -> "AsyncIterator[Connection]":
        """Several statements, all or none."""
        async with self.pinned() as pinned:
            assert pinned.connection is not None
            with translated():
                async with pinned.connection.transaction():
                    yield pinned.connection

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
