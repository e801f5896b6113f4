"""Jobs from the outside: called off in the middle, mended and sent again, and large."""

from collections import Counter

import pytest

from tests.fakes.site import article
from tests.pipeline.books import by_path, check, index_of
from tests.pipeline.platform import Platform, eventually_async
from tests.pipeline.world import Web, web

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANY = 1500


async def test_called_off_in_the_middle(calm: Platform, site: Web) -> None:
    site.dam.close(free=10)
    job_id = await calm.submit(site.urls, "called-off")

    async def some_indexed() -> bool:
        return bool((await calm.job(job_id))["counts"]["indexed"] >= 10)

    await eventually_async(some_indexed, 60)
    await calm.call("POST", f"/api/orchestrator/jobs/{job_id}/cancel")
    job = await calm.finish(job_id, 5)
    await site.dam.open()
    assert job["status"] == "cancelled"
    assert job["counts"]["indexed"] == 10
    assert job["counts"]["cancelled"] == len(site.urls) - 10
    again = await calm.call("POST", f"/api/orchestrator/jobs/{job_id}/cancel")
    assert again["status"] == "cancelled"
    assert (await calm.ask("POST", f"/api/orchestrator/jobs/{job_id}/replay"))[0] == 409
    complete = await calm.run(site.urls, "called-off")
    assert Counter(document["status"] for document in complete) == {"unchanged": 10, "indexed": len(site.urls) - 10}
    assert (await calm.job(job_id))["counts"] == job["counts"], "late results change nothing"
    await check(calm, job_id)


async def test_failed_documents_go_again_one_by_one_and_all_together(calm: Platform) -> None:
    late = {f"/late-{n}": article(f"Late {n}", f"The {n}th page came late, as pages do. " * 9) for n in range(3)}
    async with web({"/there": article("There")}) as site:
        job_id = await calm.submit([site.url(path) for path in ("/there", *late)], "again")
        assert (await calm.finish(job_id))["status"] == "completed_with_errors"
        failed = by_path(await calm.documents(job_id))
        assert {failed[path]["error_code"] for path in late} == {"http_404"}
        site.site.pages |= late
        one = {"document_ids": [failed["/late-1"]["document_id"]], "from_stage": "scrape"}
        assert (await calm.call("POST", f"/api/orchestrator/jobs/{job_id}/replay", one))["status"] == "running"
        assert (await calm.finish(job_id))["counts"]["failed"] == 2
        await calm.call("POST", f"/api/orchestrator/jobs/{job_id}/replay")
        job = await calm.finish(job_id)
        assert (job["status"], job["counts"]["indexed"]) == ("completed", 4)
        diagnosis = await calm.rows("SELECT code FROM failures WHERE job_id = $1", job_id)
        assert [row["code"] for row in diagnosis] == ["http_404"] * 3, "what went wrong before stays on record"
        assert set(await index_of(calm, "again")) == {"/there", *late}
        await check(calm, job_id)


async def test_a_large_job_adds_up_at_every_look_and_ends(calm: Platform) -> None:
    pages = {f"/{n}": article(f"Page {n}", f"Page {n} has little to say, and says it. " * 5) for n in range(MANY)}
    async with web(pages) as site:
        job_id = await calm.submit(site.urls, "many")
        job = await calm.finish(job_id, 110)
        assert (job["status"], job["counts"]["indexed"]) == ("completed", MANY)
        await check(calm, job_id)
        assert len(await index_of(calm, "many")) == MANY
        assert max(len(site.site.requests[path]) for path in pages) == 1, "no page was asked for twice"
