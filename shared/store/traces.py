"""The spans of documents that only the database can tell: a whole life, and the wait for a worker that had died."""

from datetime import datetime
from typing import TYPE_CHECKING

from observe import context, tracing
from observe.vocabulary import Attributes, Name, Value, clean
from shared.pipeline.decision import Move
from shared.pipeline.states import State

if TYPE_CHECKING:
    import asyncpg


def ended(row: "asyncpg.Record", move: Move, now: datetime) -> None:
    """The root of the document's trace, from its first day on, linked to the request that submitted it."""
    submitted = context.parse(row["traceparent"])
    attributes: dict[Name, Value] = {**_about(row), "corpus.name": row["corpus"]}
    if move.failure is not None:
        attributes["failed.stage"] = move.failure.stage
    tracing.record(
        "document",
        row["created_at"].timestamp(),
        now.timestamp(),
        attributes,
        where=tracing.document(row["id"]),
        links=[] if submitted is None else [submitted],
        error=_error(move),
    )


def lease_expired(row: "asyncpg.Record", now: datetime) -> None:
    """From the claim of a worker that was never heard of again until somebody noticed."""
    began_s = row["updated_at"].timestamp()
    parent = tracing.document(row["id"])
    tracing.record("lease wait", began_s, now.timestamp(), _about(row), parent=parent, error="lease_expired")


def _about(row: "asyncpg.Record") -> Attributes:
    return {"job.id": str(row["job_id"]), "job.url": clean(row["url"])}


def _error(move: Move) -> str:
    if move.state is State.CANCELLED:
        return "cancelled"
    return move.failure.code if move.failure is not None and move.state is State.FAILED else ""
