"""How long documents wait whose worker was killed, or whose whole platform: until each is claimed again."""

import asyncio
import time
from contextlib import suppress
from uuid import UUID

import psutil

from tests.faults.watch import AWAY
from tests.pipeline.platform import Platform, eventually, eventually_async
from tests.pipeline.world import Web

POLL_S = 0.1
_HELD = "SELECT id, token FROM documents WHERE job_id = $1 AND lease_until IS NOT NULL"
_TOKENS = "SELECT id, token FROM documents WHERE job_id = $1"


async def kill_worker(platform: Platform, site: Web, corpus: str, patience_s: float) -> list[float]:
    """kill -9 of the scrape worker and all it forked, with pages in hand. Seconds from then on, a document each."""
    job_id, held = await _stuck(platform, site, corpus)
    for process in family(platform, "scrape-worker"):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    began = time.monotonic()
    await site.dam.open()
    return await _claimed_again(platform, job_id, held, began, patience_s)


async def kill_platform(platform: Platform, site: Web, corpus: str, patience_s: float) -> list[float]:
    """kill -9 of all there is. Seconds from when it stood again, 0 for a document that was claimed before that."""
    job_id, held = await _stuck(platform, site, corpus)
    platform.remember()
    psutil.Process(platform.pid).kill()
    await eventually(lambda: not platform.left_behind(), 30, "something outlives the platform")
    await site.dam.open()
    await platform.up()
    began = time.monotonic()
    return await _claimed_again(platform, job_id, held, began, patience_s)


def family(platform: Platform, name: str) -> list[psutil.Process]:
    """Every replica of a function that happens to live, and what it forked."""
    found = []
    for replica in platform.replicas(name):
        with suppress(psutil.NoSuchProcess):
            found += [replica, *replica.children(recursive=True)]
    return found


async def _stuck(platform: Platform, site: Web, corpus: str) -> tuple[str, dict[UUID, int]]:
    """A job whose pages do not answer, and the documents that are in hand, by their tokens."""
    site.dam.close()
    job_id = await platform.submit(site.urls, corpus)

    async def held() -> bool:
        return site.dam.held > 0

    await eventually_async(held, 60)
    return job_id, {row["id"]: row["token"] for row in await platform.rows(_HELD, job_id)}


async def _claimed_again(
    platform: Platform, job_id: str, held: dict[UUID, int], began: float, patience_s: float
) -> list[float]:
    """Being taken back raises the token by one, and so does the next claim."""
    waits: dict[UUID, float] = {}
    while len(waits) < len(held):
        assert time.monotonic() - began < patience_s, f"{len(held) - len(waits)} of {len(held)} still wait"
        await asyncio.sleep(POLL_S)
        with suppress(*AWAY):
            for row in await platform.rows(_TOKENS, job_id):
                if row["id"] in held and row["token"] >= held[row["id"]] + 2:
                    waits.setdefault(row["id"], time.monotonic() - began)
    return sorted(waits.values())
