"""Pace and robots.txt as all workers share them: in Postgres."""

from collections.abc import Callable
from datetime import datetime, timedelta

from functions.scrape.robots import Copy
from shared.store.domains import (
    RobotsCopy,
    acquire_domain,
    get_robots,
    hold_domain,
    put_robots,
    set_domain_delay,
)
from shared.store.store import Store


class StorePace:
    """`delay_s` is what a domain gets that asks for nothing; robots.txt can only slow it down."""

    def __init__(self, store: Store, delay_s: float, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._delay_s = delay_s
        self._clock = clock
        self._told: dict[str, float] = {}

    async def acquire(self, domain: str) -> float:
        return await acquire_domain(self._store, domain, self._clock(), delay_s=self._delay_s)

    async def slow_down(self, domain: str, delay_s: float) -> None:
        delay_s = max(delay_s, self._delay_s)
        if self._told.get(domain) != delay_s:
            await set_domain_delay(self._store, domain, delay_s, self._clock())
            self._told[domain] = delay_s

    async def hold(self, domain: str, wait_s: float) -> None:
        await hold_domain(self._store, domain, self._clock() + timedelta(seconds=wait_s))


class StoreShelf:
    """The copies of robots.txt that any worker fetched."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, site: str) -> Copy | None:
        found = await get_robots(self._store, site)
        return Copy(found.status, found.body, found.fetched_at) if found else None

    async def put(self, site: str, copy: Copy) -> None:
        await put_robots(self._store, site, RobotsCopy(copy.status, copy.body, copy.fetched_at))
