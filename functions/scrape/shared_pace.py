"""Pace and robots.txt as all workers share them."""

from collections.abc import Callable
from datetime import datetime, timedelta

from functions.scrape.moments import Moments
from functions.scrape.robots import Copy
from shared.store.domains import (
    RobotsCopy,
    acquire_domain,
    get_robots,
    hold_domain,
    put_robots,
    set_domain_delay,
    slow_domain,
)
from shared.store.store import Store


class PlannedPace:
    """The plan is in Postgres, where claims are made by it; the moment of each request is taken in Redis.

    `delay_s` is what a domain gets that asks for nothing; robots.txt can only slow it down.
    """

    def __init__(self, store: Store, moments: Moments, delay_s: float, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._moments = moments
        self._delay_s = delay_s
        self._clock = clock
        self._told: dict[str, float] = {}

    async def turn(self, domain: str, asked_s: float | None, *, claimed: bool) -> float:
        delay_s = max(self._delay_s, asked_s or 0.0)
        if asked_s is not None and self._told.get(domain) != delay_s:
            await set_domain_delay(self._store, domain, delay_s, self._clock())
            self._told[domain] = delay_s
        planned_s = 0.0 if claimed else await acquire_domain(self._store, domain, self._clock(), delay_s=self._delay_s)
        if planned_s:
            return planned_s
        wait_s = await self._moments.take(domain, delay_s)
        if wait_s:
            await hold_domain(self._store, domain, self._clock() + timedelta(seconds=wait_s))
        return wait_s

    async def refused(self, domain: str, wait_s: float | None) -> None:
        slowed_s = await slow_domain(self._store, domain, self._clock(), wait_s)
        await self._moments.hold(domain, slowed_s)


class StoreShelf:
    """The copies of robots.txt that any worker fetched."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, site: str) -> Copy | None:
        found = await get_robots(self._store, site)
        return Copy(found.status, found.body, found.fetched_at) if found else None

    async def put(self, site: str, copy: Copy) -> None:
        await put_robots(self._store, site, RobotsCopy(copy.status, copy.body, copy.fetched_at))
