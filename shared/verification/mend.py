"""Mends what was found, with the moves that the pipeline itself makes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.events.event import CloudEvent, Json
from shared.pipeline.advance import advance
from shared.pipeline.decision import Move
from shared.pipeline.facts import Distrusted
from shared.pipeline.policy import Policy
from shared.pipeline.states import UNFINISHED, State
from shared.store import traces
from shared.store.jobs import end_job
from shared.store.moves import Step, perform
from shared.store.queries import load
from shared.store.store import Store
from shared.store.sweep import sweep
from shared.store.views import read_view, view_of
from shared.verification.findings import Finding

_SQL: Final = load("verify")
_NOTHING_STORED: Final[dict[str, Json]] = {
    **dict.fromkeys(("text_key", "text_sha256", "text_size", "chunks_key", "chunks_sha256", "chunks_size")),
    "fetch_url": None,
    "redirects": 0,
}


async def mend(store: Store, findings: Sequence[Finding], now: datetime, policy: Policy) -> list[CloudEvent]:
    """The events to publish; they stay in the outbox, so that the platform's own sweep sends those nobody publishes."""
    jobs = {kind: _subjects(findings, kind) for kind in ("recount", "recount_costs", "end_job", "reopen_job")}
    async with store.transaction() as connection:
        await connection.execute(_SQL["lock"])
        for job_id in jobs["recount"]:
            await connection.execute(_SQL["mend_counts"], job_id)
        for job_id in jobs["recount_costs"]:
            await connection.execute(_SQL["drop_costs"], job_id)
            await connection.execute(_SQL["mend_costs"], job_id)
        for job_id in jobs["reopen_job"]:
            await connection.execute(_SQL["reopen_job"], job_id)
    for document_id in dict.fromkeys(one.document_id for one in findings if one.mend == "refetch"):
        if document_id is not None:
            await _refetch(store, document_id, now)
    ended = [event for job_id in jobs["end_job"] for event in await end_job(store, job_id, None, now)]
    return ended + (await sweep(store, now, policy)).events


def _subjects(findings: Sequence[Finding], kind: str) -> list[UUID]:
    return list(dict.fromkeys(one.subject for one in findings if one.mend == kind))


async def _refetch(store: Store, document_id: UUID, now: datetime) -> None:
    row = await read_view(store, document_id)
    decision = advance(view_of(row), Distrusted(), now) if row else None
    if row is not None and isinstance(decision, Move):
        anew = {} if State(row["state"]) in UNFINISHED else traces.replayed(now)
        await perform(store, Step(row, decision, _NOTHING_STORED | anew), now)
