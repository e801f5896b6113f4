"""May we fetch this? Asks each site's robots.txt once and remembers the answer, here and for the other workers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from functions.scrape.body import unpack
from functions.scrape.core import REDIRECTS, Response
from functions.scrape.fetch import Fetcher
from functions.scrape.rules import ALLOW_ALL, DISALLOW_ALL, MAX_FILE_BYTES, Rules, parse
from shared.errors import InvalidInput, Permanent, StageFailure, Transient
from shared.urls import normalise, origin, path_and_query

MAX_REDIRECTS = 5
FRESH = timedelta(hours=24)
# Nobody answered: ask again soon, but not for every page that waits.
UNANSWERED = timedelta(seconds=30)
# RFC 9309 lets an old copy serve while the site does not answer.
STALE = timedelta(days=30)
REMEMBERED_SITES = 2000


@dataclass(frozen=True, slots=True)
class Copy:
    """What `/robots.txt` was: `status` 0 means that nobody answered."""

    status: int
    body: bytes
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Permission:
    """`crawl_delay_s` is what the site asks for between two requests, within reason."""

    crawl_delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What this process goes by from `since` to `until`; a clock that was set back to long before knows nothing."""

    rules: Rules
    status: int
    since: datetime
    until: datetime

    def holds(self, now: datetime) -> bool:
        return self.since - UNANSWERED < now < self.until


class Shelf(Protocol):
    """Where copies are kept for all workers."""

    async def get(self, site: str) -> Copy | None: ...
    async def put(self, site: str, copy: Copy) -> None: ...


class NoShelf:
    """For a process that works alone."""

    async def get(self, site: str) -> Copy | None:
        return None

    async def put(self, site: str, copy: Copy) -> None:
        return None


class Robots:
    """`agent` is our product token. Concurrent questions about one site cost one request."""

    def __init__(self, fetcher: Fetcher, agent: str, shelf: Shelf, clock: Callable[[], datetime]) -> None:
        self._fetcher = fetcher
        self.agent = agent
        self._shelf = shelf
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[Rules]] = {}

    async def check(self, url: str) -> Permission:
        """On what terms the URL may be fetched.

        Raises `Permanent` robots_disallowed, `Transient` robots_unavailable (the RFC says: no answer, no fetching), and
        whatever a host that cannot be reached at all raises.
        """
        rules = await self.rules(url)
        if rules is DISALLOW_ALL:
            sentence = f"the site's robots.txt could not be read ({self._trouble(url)}), so nothing is fetched"
            raise Transient("robots_unavailable", sentence, retry_after_s=UNANSWERED.total_seconds())
        if not rules.allows(path_and_query(url)):
            raise Permanent("robots_disallowed", "the site's robots.txt forbids fetching this page")
        return Permission(rules.crawl_delay_s)

    def _trouble(self, url: str) -> str:
        known = self._known.get(origin(url))
        return f"status {known.status}" if known is not None and known.status else "no answer"

    async def rules(self, url: str) -> Rules:
        """Of the URL's site, for our agent: `DISALLOW_ALL` itself where the file could not be read."""
        return await self._rules(origin(url))

    async def knows(self, url: str) -> bool:
        """False when `check` would send a request of its own."""
        site, now = origin(url), self._clock()
        if site in self._asking or (site in self._known and self._known[site].holds(now)):
            return True
        kept = await self._shelf.get(site)
        return kept is not None and _is_fresh(kept, now)

    async def _rules(self, site: str) -> Rules:
        known = self._known.get(site)
        if known is not None and known.holds(self._clock()):
            return known.rules
        task = self._asking.get(site)
        if task is None:
            task = asyncio.create_task(self._ask(site), name=f"robots {site}")
            self._asking[site] = task
            task.add_done_callback(lambda _: self._asking.pop(site, None))
        # Shielded: one page that is called off must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, site: str) -> Rules:
        kept = await self._shelf.get(site)
        now = self._clock()
        copy = kept
        if kept is None or not _is_fresh(kept, now):
            copy = await self._fetch(site)
            if _answered(copy) or kept is None:
                await self._shelf.put(site, copy)
            elif _answered(kept) and kept.fetched_at + STALE > now:
                return self._remember(site, kept, now + UNANSWERED)
        assert copy is not None
        return self._remember(site, copy, _until(copy))

    def _remember(self, site: str, copy: Copy, until: datetime) -> Rules:
        rules = _rules(copy, self.agent)
        if len(self._known) >= REMEMBERED_SITES:
            del self._known[next(iter(self._known))]
        self._known[site] = _Known(rules, copy.status, self._clock(), until)
        return rules

    async def _fetch(self, site: str) -> Copy:
        url = f"{site}/robots.txt"
        try:
            for _ in range(MAX_REDIRECTS + 1):
                response = await self._fetcher.get(url, cut_at=MAX_FILE_BYTES)
                if response.status not in REDIRECTS or "location" not in response.headers:
                    return self._copy(response)
                url = normalise(response.headers["location"], url)
        except InvalidInput:
            return Copy(404, b"", self._clock())
        except Permanent:
            raise
        except StageFailure:
            return Copy(0, b"", self._clock())
        # Too many redirects: as good as no file.
        return Copy(404, b"", self._clock())

    def _copy(self, response: Response) -> Copy:
        body = b""
        if 200 <= response.status < 300:
            body = _readable(response)
        return Copy(response.status, body, self._clock())


def _readable(response: Response) -> bytes:
    try:
        return unpack(response.body, response.headers.get("content-encoding"))[:MAX_FILE_BYTES]
    except StageFailure:
        return b"user-agent: *\ndisallow: /"


def _answered(copy: Copy) -> bool:
    return 200 <= copy.status < 500 and copy.status != 429


def _until(copy: Copy) -> datetime:
    return copy.fetched_at + (FRESH if _answered(copy) else UNANSWERED)


def _is_fresh(copy: Copy, now: datetime) -> bool:
    """One from the future is not: it would stay fresh until the clock comes there again."""
    return copy.fetched_at - UNANSWERED < now < _until(copy)


def _rules(copy: Copy, agent: str) -> Rules:
    if not _answered(copy):
        return DISALLOW_ALL
    return parse(copy.body, agent) if copy.status < 300 else ALLOW_ALL
