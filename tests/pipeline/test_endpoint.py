"""A model endpoint in trouble: its documents say what is wrong, others do not suffer, and a replay mends it."""

from contextlib import AbstractAsyncContextManager

import pytest

from tests.fakes.site import article
from tests.pipeline.books import by_path, check, index_of
from tests.pipeline.platform import Platform
from tests.pipeline.world import Endpoint, web

pytestmark = pytest.mark.asyncio(loop_scope="session")

TROUBLES = [
    ("down", "embedding_unavailable"),
    ("nonsense", "embedding_bad_answer"),
    ("wrong-dimension", "embedding_wrong_dimension"),
    pytest.param("slow", "embedding_timeout", marks=pytest.mark.long),
    pytest.param("500", "embedding_failed", marks=pytest.mark.long),
    pytest.param("404", "embedding_not_found", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("mode", "code"), TROUBLES)
async def test_trouble_is_named_and_a_replay_mends_it(mode: str, code: str, calm: Platform, model: Endpoint) -> None:
    pages = {
        f"/{name}": article(name, f"A {name} is a page about {mode} water. " * 9) for name in ("old", "new", "more")
    }
    async with web(pages) as site:
        await calm.run([site.url("/old")], mode)
        async with _trouble(model, mode):
            job_id = await calm.submit(site.urls, mode)
            job = await calm.finish(job_id)
        assert job["status"] == "completed_with_errors"
        ends = {
            path: (document["status"], document["stage"], document["error_code"], document["error_kind"])
            for path, document in by_path(await calm.documents(job_id)).items()
        }
        failed = ("failed", "embedding", code, "transient")
        assert ends == {"/old": ("unchanged", None, None, None), "/new": failed, "/more": failed}
        assert set(await index_of(calm, mode)) == {"/old"}
        await calm.call("POST", f"/api/orchestrator/jobs/{job_id}/replay")
        assert (await calm.finish(job_id))["status"] == "completed"
        assert set(await index_of(calm, mode)) == {"/old", "/new", "/more"}
        await check(calm, job_id)


async def test_one_bad_text_costs_no_other_document(calm: Platform, model: Endpoint) -> None:
    pages = {f"/{n}": article(f"Page {n}", f"Page {n} tells of locks and weirs. " * 20) for n in range(8)}
    pages["/3"] = article("Page 3", "This page tells of a xyzzy, which no model understands. " * 20)
    model.fake.poison["xyzzy"] = "400"
    async with web(pages) as site:
        documents = by_path(await calm.run(site.urls, "poison"))
    del model.fake.poison["xyzzy"]
    assert (documents["/3"]["status"], documents["/3"]["error_code"]) == ("failed", "embedding_refused")
    assert {documents[path]["status"] for path in pages if path != "/3"} == {"indexed"}


def _trouble(model: Endpoint, mode: str) -> AbstractAsyncContextManager[None]:
    return model.away() if mode == "down" else model.behaving(mode)
