"""How the platform as a whole stands: what is unfinished, what waits, and since when. Cheap enough to ask all the time.

Nothing is counted document by document, every walk is bounded, and every part of it follows an index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.contracts.jobs import StageName
from shared.pipeline.states import State
from shared.store.queries import load
from shared.store.store import Row, Store

_SQL: Final = load("platform")
# How many are looked at: unfinished jobs, domains or callers with work, and rows that are merely counted.
_JOBS: Final = 10_000
_LANES: Final = 5_000
_COUNTED: Final = 10_000
REASONS: Final = ("domain", "domain_slowed", "crawl_delay")


@dataclass(frozen=True, slots=True)
class Standing:
    """Ages and waits in seconds, 0 where nothing waits. `documents` are those of unfinished jobs, by state.

    `waiting_domains` have work and must be left alone for now, by why; `longest_waits_s` are the five longest of those
    waits, longest first.
    """

    documents: Mapping[State, int]
    leased: Mapping[StageName, int]
    oldest_ready_s: Mapping[StageName, float]
    jobs: Mapping[str, int]
    oldest_job_s: float
    waiting_domains: Mapping[str, int]
    longest_waits_s: Sequence[float]
    outbox: int
    outbox_s: float
    dead_letters: int
    webhooks: int
    overdue: bool

    @property
    def ready(self) -> Mapping[StageName, int]:
        """Documents that wait for a worker of the stage."""
        embedding = self.documents[State.EMBEDDING] - self.leased["embed"]
        return {"scrape": self.documents[State.PENDING], "embed": max(0, embedding)}


async def standing(store: Store, now: datetime) -> Standing:
    """Raises `Unavailable`."""
    async with store.pinned() as pinned:
        documents = {row["state"]: row["n"] for row in await pinned.fetch(_SQL["documents"], _JOBS)}
        jobs = await pinned.fetch(_SQL["jobs"], _JOBS, now)
        leased = {row["state"]: row["n"] for row in await pinned.fetch(_SQL["leased"])}
        to_scrape = await _row(pinned, "to_scrape", _LANES, now)
        to_embed = await _row(pinned, "to_embed", _LANES, now)
        beside = await _row(pinned, "beside", _COUNTED, now)
    return Standing(
        documents={state: max(0, documents.get(state, 0)) for state in State},
        leased={"scrape": leased.get(State.SCRAPING, 0), "embed": leased.get(State.EMBEDDING, 0)},
        oldest_ready_s={
            "scrape": _age(to_scrape["oldest_s"]),
            "chunk": _age(beside["chunk_overdue_s"]),
            "embed": _age(to_embed["oldest_s"]),
        },
        jobs={"accepted": 0, "running": 0} | {row["state"]: row["n"] for row in jobs},
        oldest_job_s=max((_age(row["oldest_s"]) for row in jobs), default=0.0),
        waiting_domains={reason: to_scrape[reason] for reason in REASONS},
        longest_waits_s=to_scrape["longest_s"],
        outbox=beside["outbox"],
        outbox_s=_age(beside["outbox_s"]),
        dead_letters=beside["dead_letters"],
        webhooks=beside["webhooks"],
        overdue=beside["overdue"],
    )


async def _row(store: Store, name: str, *values: object) -> "Row":
    row = await store.fetch_row(_SQL[name], *values)
    assert row is not None, "an aggregate without GROUP BY always has one"
    return row


def _age(seconds: float | None) -> float:
    """What lies ahead is not overdue."""
    return max(0.0, seconds or 0.0)
