"""Moves documents whose time is over: leases that expired, requests that nobody answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.events.event import CloudEvent
from shared.pipeline.advance import advance
from shared.pipeline.decision import Move
from shared.pipeline.facts import LeaseExpired, Nudged
from shared.pipeline.policy import Policy
from shared.store import measures, traces
from shared.store.moves import Step, perform
from shared.store.queries import load
from shared.store.store import Store
from shared.store.views import read_view, view_of

_SQL: Final = load("sweep")
BATCH: Final = 200


async def nudge(store: Store, now: datetime, policy: Policy) -> list[CloudEvent]:
    """Asks again for chunks that are overdue."""
    rows = await store.fetch(_SQL["unanswered"], now, BATCH)
    moved = await _move_each(store, [row["id"] for row in rows], Nudged(), now, policy)
    return [event for events in moved for event in events]


async def expire(store: Store, now: datetime, policy: Policy) -> int:
    """Takes documents back from workers that have died; how many."""
    rows = await store.fetch(_SQL["expired"], now, BATCH)
    return len(await _move_each(store, [row["id"] for row in rows], LeaseExpired(), now, policy))


async def _move_each(
    store: Store, document_ids: Sequence[UUID], fact: LeaseExpired | Nudged, now: datetime, policy: Policy
) -> list[list[CloudEvent]]:
    """For each document that moved, the events. Jobs that ended with one are found by the same sweep."""
    moved = []
    for document_id in document_ids:
        row = await read_view(store, document_id)
        decision = advance(view_of(row), fact, now, policy) if row else None
        if row is None or not isinstance(decision, Move):
            continue
        events = await perform(store, Step(row, decision), now)
        if events is not None:
            measures.timed_out(decision, fact)
            moved.append(events)
            if isinstance(fact, LeaseExpired):
                traces.lease_expired(row, now)
    return moved
