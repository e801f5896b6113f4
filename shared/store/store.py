"""The door to Postgres: a small pool without session state, so that PgBouncer may stand between."""

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

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool

    @classmethod
    async def open(cls, dsn: str, *, pool_size: int = 4, timeout_s: float = 30.0) -> "Store":
        """`?pgbouncer=true` in the address turns prepared statements off. Raises `Unavailable` when nobody answers."""
        import asyncpg  # noqa: PLC0415

        address, pgbouncer = split_dsn(dsn)
        try:
            pool = await asyncpg.create_pool(
                address,
                min_size=1,
                max_size=pool_size,
                command_timeout=timeout_s,
                statement_cache_size=0 if pgbouncer else 200,
                reset=_nothing_to_reset,
                max_inactive_connection_lifetime=0 if not pgbouncer else 60,
            )
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, TimeoutError) as exc:
            raise Unavailable("database_unavailable", "Postgres does not answer") from exc
        return cls(pool)

    async def close(self) -> None:
        await self.pool.close()

    async def __aenter__(self) -> "Store":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _nothing_to_reset(_connection: object) -> None:
    """We leave no session state behind, so a connection needs no extra round trip on its way back."""


def split_dsn(dsn: str) -> tuple[str, bool]:
    """The address as the driver wants it, and whether PgBouncer stands before it."""
    parts = urlsplit(dsn)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in query if name != "pgbouncer"]
    return urlunsplit(parts._replace(query=urlencode(kept))), ("pgbouncer", "true") in query
