"""Finds what is overdue and sets it going again."""

from dataclasses import dataclass, field
from datetime import datetime

from shared.events.event import CloudEvent
from shared.pipeline.policy import PATIENT, Policy
from shared.store.store import Store


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did. `events` are to be published, then marked with `mark_published`."""

    expired: int = 0
    nudged: int = 0
    ended: int = 0
    events: list[CloudEvent] = field(default_factory=list)


async def sweep(
    store: Store,
    now: datetime,
    policy: Policy = PATIENT,
    *,
    every_s: float = 0.0,
) -> Swept:
    """Does nothing when another sweep began less than `every_s` ago. Any number of sweepers may run at once."""
    raise NotImplementedError


async def overdue(store: Store, now: datetime) -> bool:
    """Would a sweep do something now? The view `overdue` answers the same for the database's own clock."""
    raise NotImplementedError
