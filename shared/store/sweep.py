"""Finds what is overdue and sets it going again."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.contracts.stages import EmbedRequested, ScrapeRequested
from shared.events.event import CloudEvent
from shared.pipeline.policy import PATIENT, Policy
from shared.store import measures, set_back
from shared.store.costs import fold_costs
from shared.store.housekeeping import fold_corpora, fold_tallies, trim
from shared.store.jobs import end_job
from shared.store.nudges import expire, nudge
from shared.store.outbox import take_overdue
from shared.store.outgoing import emitted
from shared.store.queries import load
from shared.store.store import Row, Store

_SQL: Final = load("sweep")
_WAKE: Final = {"scrape": ScrapeRequested, "embed": EmbedRequested}
_TRIM_EVERY_S: Final = 60.0
_JOBS: Final = 50


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did. `events` are to be published, then marked with `mark_published`."""

    expired: int = 0
    nudged: int = 0
    ended: int = 0
    events: list[CloudEvent] = field(default_factory=list)


async def sweep(store: Store, now: datetime, policy: Policy = PATIENT, *, every_s: float = 0.0) -> Swept:
    """Does nothing when another sweep began less than `every_s` ago.

    Any number of sweepers may run at once: each step is a compare-and-swap, or skips what another one holds.
    """
    async with store.pinned() as pinned:
        turn = await _turn(pinned, "sweep", every_s, now)
        if turn is None:
            return Swept()
        measures.swept()
        if turn["set_back"]:
            await set_back.follow(pinned, now, policy)
        return await _sweep(pinned, now, policy)


async def _sweep(store: Store, now: datetime, policy: Policy) -> Swept:
    relayed = await take_overdue(store, now)
    expired = await expire(store, now, policy)
    nudged = await nudge(store, now, policy)
    ended = await _end_jobs(store, now)
    woken = await _wake(store, now)
    await fold_tallies(store)
    await fold_costs(store)
    if await take_turn(store, "trim", _TRIM_EVERY_S, now):
        await fold_corpora(store)
        await trim(store, now)
        await set_back.follow_up(store, now, policy)
    return Swept(expired, len(nudged), len(ended), [*relayed, *nudged, *ended, *woken])


async def overdue(store: Store, now: datetime) -> bool:
    """Would a sweep do something now? The view `overdue` answers the same for the database's own clock."""
    row = await store.fetch_row(_SQL["overdue"], now)
    return bool(row and row[0])


async def take_turn(store: Store, what: str, every_s: float, now: datetime) -> bool:
    """True for one caller every `every_s`."""
    return await _turn(store, what, every_s, now) is not None


async def _turn(store: Store, what: str, every_s: float, now: datetime) -> "Row | None":
    return await store.fetch_row(_SQL["take_turn"], what, now, now - timedelta(seconds=every_s))


async def _end_jobs(store: Store, now: datetime) -> list[CloudEvent]:
    rows = await store.fetch(_SQL["finished_jobs"], _JOBS)
    return [event for row in rows for event in await end_job(store, row["id"], None, now)]


async def _wake(store: Store, now: datetime) -> list[CloudEvent]:
    """Ready work of which nobody was told for a while: the word was lost, or its time has just come."""
    events = []
    for stage, payload in _WAKE.items():
        row = await store.fetch_row(_SQL["unheard"], stage, now)
        if row and row[0] and await take_turn(store, f"wake {stage}", 1.0, now):
            events.append(emitted(payload(reason="overdue"), None, now))
    return events
