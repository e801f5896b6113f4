"""The pace of each domain, and its robots.txt, shared by all workers."""

from dataclasses import dataclass
from datetime import datetime

from shared.store.store import Store


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
    raise NotImplementedError


async def set_domain_delay(store: Store, domain: str, delay_s: float, now: datetime) -> None:
    """From now on, as its robots.txt asks."""
    raise NotImplementedError


async def hold_domain(store: Store, domain: str, until: datetime) -> None:
    """Nobody fetches from this domain before `until`; an earlier hold never shortens a later one."""
    raise NotImplementedError


async def get_robots(store: Store, origin: str) -> RobotsCopy | None:
    """`origin` is `scheme://host[:port]`. The caller judges the age."""
    raise NotImplementedError


async def put_robots(store: Store, origin: str, copy: RobotsCopy) -> None:
    """An older copy never replaces a newer one."""
    raise NotImplementedError
