"""The short form of `./scripts/faults`, and what a restart of everything at once costs."""

import time

import psutil
import pytest

from tests.faults.run import run
from tests.pipeline.platform import eventually, eventually_async, platform
from tests.pipeline.world import endpoint, web

pytestmark = pytest.mark.timeout(420)

# One of each kind; the others come with `./scripts/faults`.
SHORT = (
    "kill -9 a worker",
    "stop a worker for longer than its lease",
    "restart redis empty",
    "cut all connections",
    "fill the disk",
    "lose a third of the events",
    "object store cuts off",
    "model: NaN",
)


@pytest.mark.long  # two to three minutes, and young: `./scripts/test --long tests/faults` runs it
async def test_nothing_is_lost_whatever_breaks() -> None:
    report = await run(seed=20261126, names=SHORT)
    assert set(report.injected) == set(SHORT)
    assert report.jobs >= len(SHORT) // 2
    assert report.looks > 10
    assert report.held


async def test_after_everything_died_at_once_nobody_waits_for_leases_of_the_dead() -> None:
    """The lease is the usual minute: waiting for it would take longer than this allows."""
    async with endpoint() as model, web() as site, platform(EMBEDDING_API_BASE_URL=model.url) as made:
        site.dam.close(free=2)
        job_id = await made.submit(site.urls, "dead")

        async def held() -> bool:
            return site.dam.held > 0

        await eventually_async(held, 30)
        made.remember()
        psutil.Process(made.pid).kill()
        await eventually(lambda: not made.left_behind(), 20, "its children outlive it")
        await site.dam.open()
        await made.up()
        began = time.monotonic()
        job = await made.finish(job_id, 45)
        assert job["counts"]["indexed"] == len(site.urls)
        assert time.monotonic() - began < 45
