"""The short form of `./scripts/faults`, and what a restart of everything at once costs."""

import os

import pytest

from tests.faults.recovery import kill_platform, kill_worker
from tests.faults.run import run
from tests.pipeline.platform import platform
from tests.pipeline.world import endpoint, web

# The scene has bounds of its own; this one is for a machine with ten times too much to do.
pytestmark = pytest.mark.timeout(900)

LEASE_S = 12.0
# On a machine that is busy with other tests. On a quiet one a document runs again within the lease itself:
# `python -m benchmarks.recovery`.
A_WORKER_STARTS_S = 30.0

# One of each kind that is cheap to wait for; the others come with `./scripts/faults`.
SHORT = (
    "kill -9 a worker",
    "restart redis empty",
    "lose a third of the events",
    "object store cuts off",
)
# `FAULTS_SEED=7 pytest ...` tries another.
SEED = int(os.environ.get("FAULTS_SEED", "20261126"))


async def test_nothing_is_lost_whatever_breaks() -> None:
    report = await run(seed=SEED, names=SHORT)
    assert set(report.injected) == set(SHORT)
    assert report.jobs >= len(SHORT) // 2
    assert report.looks > 10
    assert report.held


async def test_documents_run_again_within_a_lease_of_their_workers_death_and_at_once_after_everybodys() -> None:
    settings = {"LEASE_SECONDS": f"{LEASE_S:g}"}
    async with endpoint() as model, web() as site, platform(EMBEDDING_API_BASE_URL=model.url, **settings) as made:
        of_worker = await kill_worker(made, site, "worker", LEASE_S + A_WORKER_STARTS_S)
        assert of_worker[0] > LEASE_S / 2, "nobody takes a document from a worker that may be alive"
        [before] = await made.rows(_LEASES_RUN_OUT)
        assert before["n"] == len(of_worker)
        await kill_platform(made, site, "platform", A_WORKER_STARTS_S)
        assert await made.rows(_LEASES_RUN_OUT) == [before], "no lease of the dead was waited for"


_LEASES_RUN_OUT = "SELECT count(*) AS n FROM failures WHERE code = 'lease_expired'"
