"""Looks at a corpus whose pages change all the time: in every snapshot each page is whole, old or new."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from tests.fakes.site import article
from tests.pipeline.platform import Platform
from tests.pipeline.world import Web

# What a client of a database hears that is in trouble itself.
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
CORPUS = "changing"
PAGES = 4
_SNAPSHOT = """
SELECT p.url, array_agg(substring(c.text FROM 'edition [0-9]+')) AS editions, p.chunks AS expected, count(c.*) AS found
FROM corpora k JOIN pages p ON p.corpus_id = k.id LEFT JOIN chunks c ON c.page_id = p.id AND c.model = p.model
WHERE k.name = $1 GROUP BY p.id"""


@dataclass
class Watch:
    """`edition` is the newest; `looks` counts the snapshots that were seen."""

    platform: Platform
    site: Web
    edition: int = 0
    looks: int = 0
    seen: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def publish(self) -> str:
        """A new edition of every page, handed in as a job; its id."""
        self.edition += 1
        for number in range(PAGES):
            text = f"This is edition {self.edition} of page {number}, and it tells of weirs. " * 60
            self.site.site.pages[f"/changing/{number}"] = article(f"Page {number}", text)
        urls = [self.site.url(f"/changing/{number}") for number in range(PAGES)]
        return await self.platform.submit(urls, CORPUS)

    async def look(self) -> None:
        """Once a page is there it never goes, and no look finds parts of two editions, or parts only."""
        for row in await self.platform.rows(_SNAPSHOT, CORPUS):
            assert row["found"] == row["expected"] > 1, dict(row)
            editions = set(row["editions"]) - {None}
            assert len(editions) == 1, dict(row)
            self.seen[row["url"]] |= editions
        self.looks += 1

    async def keep_looking(self) -> None:
        """Until cancelled. The database may be the one in trouble."""
        known: set[str] = set()
        while True:
            with suppress(*AWAY):
                await self.look()
                assert known <= set(self.seen)
                known = set(self.seen)
            await asyncio.sleep(0.2)
