"""Statements as spans, by the names that they have in our files."""

import time
from typing import TYPE_CHECKING, Any, Final

from observe import context, tracing
from observe.vocabulary import Attributes
from shared.store.queries import names

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.connection import LoggedQuery

# What a transaction waits for at its end: the disk, or a replica. Its beginning is sent along with nothing.
COMMIT: Final = "COMMIT;"


async def observed(connection: "asyncpg.Connection[Any]") -> None:
    """For a pool's `init`."""
    connection.add_query_logger(_told)


def _told(query: "LoggedQuery") -> None:
    """Only what happens for somebody: the driver calls this in the context of who asked."""
    if context.current() is None:
        return
    name = "COMMIT" if query.query == COMMIT else names().get(query.query)
    if name is None:
        return
    ended_s = time.time()
    attributes: Attributes = {"db.system.name": "postgresql", "db.query.summary": name}
    error = "" if query.exception is None else getattr(query.exception, "sqlstate", None) or "error"
    tracing.record(name, ended_s - query.elapsed, ended_s, attributes, kind="client", error=error)
