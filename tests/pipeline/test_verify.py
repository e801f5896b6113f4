"""`sluice verify` on a platform that runs: damaged, it says so, mends itself, and agrees again."""

import json
from urllib.parse import urlsplit

import pytest

from tests.pipeline.books import check, index_of
from tests.pipeline.platform import Platform
from tests.pipeline.world import Web

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_damaged_platform_is_mended_while_it_runs(calm: Platform, site: Web) -> None:
    job_id = await calm.submit(site.urls[:6], "verified")
    await calm.finish(job_id)
    whole = await index_of(calm, "verified")
    assert await calm.sluice("verify", "--deep") == (0, "state, outbox, index and object store agree\n")
    pages = await calm.rows(
        "SELECT p.id, p.url, p.text_key FROM pages p JOIN corpora c ON c.id = p.corpus_id WHERE c.name = 'verified'"
    )
    cut, lost, *_ = pages
    objects = calm.folder / "objects"
    await calm.rows("DELETE FROM chunks WHERE page_id = $1 AND ordinal = 0", cut["id"])
    objects.joinpath(lost["text_key"]).unlink()
    await calm.rows("INSERT INTO job_deltas VALUES ($1, 'indexed', 1)", job_id)
    code, said = await calm.sluice("verify", "--json")
    assert code == 1
    found = {(one["check"], one["mended"]) for one in json.loads(said)["findings"]}
    assert found == {("counts_wrong", False), ("page_broken", False), ("object_missing", False)}
    code, said = await calm.sluice("verify", "--repair")
    assert code == 0, said
    assert said.count("mended: refetch") == 2
    assert urlsplit(cut["url"]).path in said
    await calm.finish(job_id)
    assert await calm.sluice("verify", "--deep") == (0, "state, outbox, index and object store agree\n")
    assert await index_of(calm, "verified") == whole
    await check(calm, job_id)


async def test_without_a_platform_it_says_what_to_do(calm: Platform) -> None:
    code, said = await Platform(calm.folder / "nowhere", 1, {}).sluice("verify")
    assert code == 1
    assert "set DATABASE_URL and OBJECT_STORE_URL" in said
