"""Housekeeping that keeps nothing for long, while pages change to and fro: what is needed stays, or is made again."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

import pytest

from emulator.postgres import Postgres
from functions.orchestrator.tidying import Tidier
from shared.objects import ObjectStore
from shared.store.housekeeping import trim
from shared.store.store import Store
from tests.fakes.site import article
from tests.pipeline.books import by_path, check
from tests.pipeline.conftest import Troubled
from tests.pipeline.platform import Platform
from tests.pipeline.world import Web

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

ROUNDS, PAGES = 5, 8
# Far less than results are on their way on a busy machine, and than the three days of inbox and marks.
KEEP = timedelta(seconds=0.5)
ALL_BUT_A_MINUTE = timedelta(days=3) - timedelta(minutes=1)
CORPUS = "kept"


class Counting(ObjectStore):
    removed = 0

    async def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self.removed += len(wanted)
        await super().delete(wanted)


async def test_nothing_that_is_needed_goes_while_the_same_texts_come_and_go(troubled: Troubled, site: Web) -> None:
    """Every other edition brings back the texts of the one before the last, whose objects are just being removed."""
    platform = troubled.platform
    async with await Store.open(_address(platform)) as store:
        objects = Counting(ObjectStore.open(f"file://{platform.folder / 'objects'}", {})._backend)
        tidying = asyncio.create_task(_tidy_for_ever(store, objects), name="tidying")
        try:
            for edition in range(ROUNDS):
                await _publish(platform, site, edition)
        finally:
            tidying.cancel()
            with suppress(asyncio.CancelledError):
                await tidying
    assert objects.removed > PAGES, "it was at work"
    texts = await platform.rows(_SHOWN, CORPUS)
    assert len(texts) == PAGES
    assert {row["edition"] for row in texts} == {f"edition {(ROUNDS - 1) % 2} "}
    assert await platform.sluice("verify", "--deep") == (0, "state, outbox, index and object store agree\n")


async def _publish(platform: Platform, site: Web, edition: int) -> None:
    for number in range(PAGES):
        text = f"This is edition {edition % 2} of page {number}, which tells of sluices and of locks. " * 40
        site.site.pages[f"/kept/{number}"] = article(f"Page {number}", text)
    job_id = await platform.submit([site.url(f"/kept/{number}") for number in range(PAGES)], CORPUS)
    await platform.finish(job_id, 120)
    found = by_path(await platform.documents(job_id))
    assert {path: (one["status"], one["error_code"]) for path, one in found.items() if one["status"] != "indexed"} == {}
    await check(platform, job_id)


async def _tidy_for_ever(store: Store, objects: ObjectStore) -> None:
    tidier = Tidier(store, objects, KEEP)
    while True:
        now = store.clock.now()
        await tidier.tidy(now)
        await trim(store, now + ALL_BUT_A_MINUTE)
        await asyncio.sleep(0.05)


def _address(platform: Platform) -> str:
    return Postgres(platform.folder / "postgres", platform.folder / "run" / "sockets").url


_SHOWN = """
SELECT DISTINCT p.url, substring(c.text FROM 'edition [0-9]+ ') AS edition
FROM corpora k JOIN pages p ON p.corpus_id = k.id JOIN chunks c ON c.page_id = p.id
WHERE k.name = $1 AND c.ordinal = 0"""
