"""Handed in far faster than it works: memory stays bounded, nobody else waits, and everything still ends."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

import psutil
import pytest

from tests.pipeline.platform import Platform
from tests.pipeline.world import Web

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

T = TypeVar("T")
JOBS, URLS = 8, 1000
GROWTH_BYTES = 64 * 1024 * 1024
ANSWER_S = 20.0


async def test_ten_times_too_much_is_taken_and_holds_nobody_up(calm: Platform, site: Web) -> None:
    await calm.run(site.urls[:3], "pressed")
    before = _resident(calm)
    site.dam.close(free=0)
    handed_in = asyncio.gather(*(_timed(calm.submit(_many(site, job), "pressed")) for job in range(JOBS)))
    beside = []
    while not handed_in.done():
        beside += [
            await _timed(calm.search("lock", "pressed")),
            await _timed(calm.ask("GET", "/api/orchestrator/jobs")),
        ]
        await asyncio.sleep(0.2)
    jobs = [(job_id, seconds) for job_id, seconds in await handed_in]
    assert max(seconds for _, seconds in jobs) < ANSWER_S
    assert max(seconds for _, seconds in beside) < ANSWER_S, "whoever asks meanwhile is answered"
    assert _resident(calm) - before < GROWTH_BYTES
    assert [one["name"] for one in calm.status()["functions"] if one["oom_kills"]] == [], "all within their limits"
    for job_id, _ in jobs:
        await calm.call("POST", f"/api/orchestrator/jobs/{job_id}/cancel")
    await site.dam.open()
    for job_id, _ in jobs:
        job = await calm.finish(job_id)
        assert job["counts"]["cancelled"] + job["counts"]["indexed"] + job["counts"]["failed"] == URLS


def _many(site: Web, job: int) -> list[str]:
    return [site.url(f"/pressed/{job}/{n}") for n in range(URLS)]


async def _timed(work: Awaitable[T]) -> tuple[T, float]:
    began = time.monotonic()
    return await work, time.monotonic() - began


def _resident(platform: Platform) -> int:
    """Of the process that everything goes through."""
    return int(psutil.Process(platform.pid).memory_info().rss)
