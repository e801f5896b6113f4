"""Performs one decision about one document: its row, counts, diagnosis, inbox and outbox in one transaction."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from shared.contracts.stages import EmbedRequested
from shared.events.event import CloudEvent, Json
from shared.pipeline.costs import Cost
from shared.pipeline.decision import Effect, Move
from shared.pipeline.states import UNFINISHED, State
from shared.store import journal, measures, traces
from shared.store.costs import as_json
from shared.store.outbox import columns, due_at
from shared.store.outgoing import announce, chunk_request, emitted
from shared.store.queries import load
from shared.store.store import Store

if TYPE_CHECKING:
    import asyncpg

    from shared.store.store import Connection

_SQL: Final = load("transitions")
_TOUCH_PAGE: Final = frozenset({Effect.REFRESH_PAGE, Effect.DISTRUST_PAGE, Effect.WITHDRAW_PAGE})
_NO_ERROR: Final[dict[str, Json]] = dict.fromkeys(("error_stage", "error_kind", "error_code", "error_message"))


@dataclass(frozen=True, slots=True)
class Step:
    """A decision about a row as it was read, with what the fact brings to the row. `cause` is the event, if any."""

    row: "asyncpg.Record"
    move: Move
    brings: dict[str, Json] = field(default_factory=dict)
    cause: CloudEvent | None = None
    learns_chunker: str | None = None
    cost: Cost | None = None


async def perform(store: Store, step: Step, now: datetime) -> list[CloudEvent] | None:
    """The events to send on, or None when somebody else was faster and nothing changed."""
    # A request for chunks is made again from the row itself when it is lost, so only announcements need the outbox.
    announced = _announcements(step, now)
    arguments = _arguments(step, announced, now)
    if _plain(step):
        done = await store.fetch_row(_SQL["move"], *arguments)
    else:
        async with store.transaction() as connection:
            done = await connection.fetchrow(_SQL["move"], *arguments)
            if done and done["moved"]:
                await _beside(connection, step, now)
    if done is None or not done["moved"]:
        return None
    measures.moved(step.row, step.move, now)
    journal.moved(step.row, step.move)
    if step.move.state not in UNFINISHED:
        traces.ended(step.row, step.move, now)
    if step.cost is not None:
        measures.spent(step.cost)
    wake_up = [emitted(EmbedRequested(reason="advanced"), step.cause, now)] if done["woken"] else []
    return announced + _chunk_requests(step, now) + wake_up


def _announcements(step: Step, now: datetime) -> list[CloudEvent]:
    if Effect.ANNOUNCE not in step.move.effects:
        return []
    return [announce(step.row, step.move, step.brings, step.cause, now)]


def _chunk_requests(step: Step, now: datetime) -> list[CloudEvent]:
    if Effect.REQUEST_CHUNKS not in step.move.effects:
        return []
    return [chunk_request(step.row, step.move, step.brings, step.cause, now)]


def _plain(step: Step) -> bool:
    """One statement does it all, as it does for most documents."""
    rare = step.move.hold_domain_until is not None or step.learns_chunker is not None
    return not rare and _TOUCH_PAGE.isdisjoint(step.move.effects)


async def _beside(connection: "Connection", step: Step, now: datetime) -> None:
    row, move = step.row, step.move
    if move.hold_domain_until is not None:
        await connection.execute(_SQL["hold_domain"], row["domain"], move.hold_domain_until)
    if step.learns_chunker is not None:
        await connection.execute(_SQL["learn_chunker"], row["corpus_id"], step.learns_chunker)
    if Effect.REFRESH_PAGE in move.effects:
        await connection.execute(_SQL["refresh_page"], row["id"], now)
    if Effect.DISTRUST_PAGE in move.effects:
        await connection.execute(load("verify")["distrust_page"], row["id"])
        await connection.execute(load("verify")["reopen_job"], row["job_id"])
    if Effect.WITHDRAW_PAGE in move.effects:
        where = (row["corpus_id"], row["url"])
        withdrawn_at = await connection.fetchval(_SQL["withdraw"], *where, step.cause and step.cause.time, now)
        await connection.execute(_SQL["remove_page"], *where, withdrawn_at)


def _arguments(step: Step, events: list[CloudEvent], now: datetime) -> tuple[Any, ...]:
    row, move, cause = step.row, step.move, step.cause
    return (
        cause.source if cause else None,
        cause.id if cause else None,
        row["id"],
        row["state"],
        row["token"],
        row["lease_until"] if cause is None else None,
        json.dumps(_patch(step, now)),
        now,
        json.dumps(_diagnosis(move)) if move.failure else None,
        *columns(events),
        due_at(now),
        "embed" if Effect.WAKE_EMBED in move.effects else None,
        as_json(step.cost),
    )


def _patch(step: Step, now: datetime) -> dict[str, Json]:
    move = step.move
    return {
        "state": move.state,
        "token": move.token,
        "attempt": move.attempt,
        "deaths": move.deaths,
        "nudges": move.nudges,
        "not_before": move.not_before.isoformat(),
        "lease_until": None,
        "reported": False,
        "ended_at": None if move.state in UNFINISHED else now.isoformat(),
        **_error(move),
        **step.brings,
    }


def _error(move: Move) -> dict[str, Json]:
    """The last diagnosis stays on the row until the document ends well; the list of all is never cut."""
    if move.failure:
        stage, kind, code, message = move.failure.stage, move.failure.kind, move.failure.code, move.failure.message
        restart: dict[str, Json] = {"fetch_url": None, "redirects": 0} if kind == "transient" else {}
        error: dict[str, Json] = {
            "error_stage": stage,
            "error_kind": kind,
            "error_code": code,
            "error_message": message.replace("\0", ""),
        }
        return error | restart
    return _NO_ERROR if move.state in (State.INDEXED, State.UNCHANGED) else {}


def _diagnosis(move: Move) -> dict[str, Json]:
    failure = move.failure
    assert failure is not None
    message = failure.message.replace("\0", "")
    return {
        "attempt": move.attempt,
        "stage": failure.stage,
        "kind": failure.kind,
        "code": failure.code,
        "message": message,
    }
