"""The spans of documents that only the database can tell: a whole life, and the wait for a worker that had died."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from observe import context, tracing
from observe.context import TraceContext
from observe.vocabulary import Attributes, Name, Value, clean
from shared.events.event import Json
from shared.pipeline.decision import Move
from shared.pipeline.states import State

if TYPE_CHECKING:
    import asyncpg

# Of so many documents that end in one statement it is told: half of what an exporter holds, so that a job of thousands
# which is called off pushes nobody else's spans out.
_MOST: Final = 1000
_CALLED_OFF: Final = "cancelled"


def most() -> int:
    """How many rows `called_off` can use of a statement that ends many documents."""
    return _MOST if tracing.enabled() else 0


def ended(row: "asyncpg.Record", move: Move, now: datetime) -> None:
    """`row` is the document's as it was before."""
    _record(row, now, "" if move.failure is None else move.failure.stage, _error(move))


def called_off(rows: "Sequence[asyncpg.Record]", now: datetime) -> None:
    """Many at once, linked to who wanted it."""
    for row in rows:
        _record(row, now, error=_CALLED_OFF, also=context.current())


def gave_way(rows: "Sequence[asyncpg.Record]", now: datetime) -> None:
    """Sitemaps that were read, or that nobody needs any more."""
    for row in rows:
        _record(row, now)


def lease_expired(row: "asyncpg.Record", now: datetime) -> None:
    """From the claim of a worker that was never heard of again until somebody noticed."""
    began_s = row["updated_at"].timestamp()
    parent = life(row)
    tracing.record("lease wait", began_s, now.timestamp(), _about(row), parent=parent, error="lease_expired")


def life(row: "asyncpg.Record") -> TraceContext:
    """What the spans of a document's stages are part of, now."""
    return tracing.document(row["id"], row["replayed_at"])


def replayed(now: datetime) -> dict[str, Json]:
    """For the row of a document that had ended and is sent through anew."""
    return {"replayed_at": now.isoformat(), "replay_traceparent": who_asked()}


def who_asked() -> str | None:
    """The span under way, as a row keeps it."""
    here = context.current()
    return None if here is None else here.format()


def _record(
    row: "asyncpg.Record", now: datetime, failed_stage: str = "", error: str = "", also: TraceContext | None = None
) -> None:
    """The root of the document's trace, from its first day on, linked to the request that submitted it; or a replay,
    below the root, from when it was asked for, linked to who asked."""
    attributes: dict[Name, Value] = {**_about(row), "corpus.name": row["corpus"]}
    if failed_stage:
        attributes["failed.stage"] = failed_stage
    if error == _CALLED_OFF:  # which is nobody's fault, and no reason to keep the trace
        attributes["error.type"], error = error, ""
    replayed_at = row["replayed_at"]
    asked = context.parse(row["traceparent"] if replayed_at is None else row["replay_traceparent"])
    tracing.record(
        "document" if replayed_at is None else "replay",
        (replayed_at or row["created_at"]).timestamp(),
        now.timestamp(),
        attributes,
        where=life(row),
        parent=None if replayed_at is None else tracing.document(row["id"]),
        links=[link for link in (asked, also) if link is not None],
        error=error,
    )


def _about(row: "asyncpg.Record") -> Attributes:
    return {"job.id": str(row["job_id"]), "job.url": clean(row["url"])}


def _error(move: Move) -> str:
    if move.state is State.CANCELLED:
        return _CALLED_OFF
    return move.failure.code if move.failure is not None and move.state is State.FAILED else ""
