"""The pace of each domain, and its robots.txt, shared by all workers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("domains")


@dataclass(frozen=True, slots=True)
class RobotsCopy:
    """`status` 0 means that nobody answered."""

    status: int
    body: bytes
    fetched_at: datetime


async def acquire_domain(store: Store, domain: str, now: datetime, *, delay_s: float) -> float:
    """Takes the domain's next turn and answers 0, or takes nothing and answers the seconds to wait.

    `delay_s` is for a domain met for the first time.
    """
    row = await store.fetch_row(_SQL["acquire"], domain, now, delay_s)
    return float(row[0]) if row else 0.0


async def set_domain_delay(store: Store, domain: str, delay_s: float, now: datetime) -> None:
    """What its robots.txt asks for, from now on; it counts when it is longer than ours."""
    await store.fetch(_SQL["set_delay"], domain, delay_s, now)


async def hold_domain(store: Store, domain: str, until: datetime) -> None:
    """Nobody fetches from this domain before `until`; an earlier hold never shortens a later one."""
    await store.fetch(load("transitions")["hold_domain"], domain, until)


async def slow_domain(store: Store, domain: str, now: datetime, wait_s: float | None) -> float:
    """It refused a request, and asks for `wait_s` of peace, if for any. Answers the seconds it is left alone.

    From then on it is asked half as often as before; each document that is claimed makes up for a fifth of that.
    """
    row = await store.fetch_row(_SQL["slow"], domain, now, wait_s or 0.0)
    return float(row[0]) if row else 0.0


async def get_robots(store: Store, origin: str) -> RobotsCopy | None:
    """`origin` is `scheme://host[:port]`. The caller judges the age."""
    row = await store.fetch_row(_SQL["get_robots"], origin)
    return RobotsCopy(**row) if row else None


async def put_robots(store: Store, origin: str, copy: RobotsCopy) -> None:
    """An older copy never replaces a newer one."""
    await store.fetch(_SQL["put_robots"], origin, copy.status, copy.body, copy.fetched_at)
