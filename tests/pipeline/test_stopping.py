"""Stopping in the middle of work leaves no process behind, and the next start goes on where it was."""

import signal

import pytest

from tests.pipeline.books import check
from tests.pipeline.platform import eventually_async, platform
from tests.pipeline.world import Endpoint, Web

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("how", ["sluice down", pytest.param("Ctrl-C", marks=pytest.mark.long)])
async def test_stopped_while_everything_is_busy(how: str, model: Endpoint, site: Web) -> None:
    async with platform(EMBEDDING_API_BASE_URL=model.url) as stopped:
        site.dam.close(free=10)
        job_id = await stopped.submit(site.urls, "stopped")

        async def busy() -> bool:
            return site.dam.held > 0 and (await stopped.job(job_id))["counts"]["indexed"] > 0

        await eventually_async(busy, 60)
        await stopped.down(signal.SIGINT if how == "Ctrl-C" else None)
        assert not stopped.left_behind()
        await site.dam.open()
        await stopped.up()
        job = await stopped.finish(job_id)
        assert (job["status"], job["counts"]["indexed"]) == ("completed", len(site.urls))
        await check(stopped, job_id)
        assert not [dict(row) for row in await stopped.rows("SELECT * FROM failures")], "nobody had died"
