"""Pages travel through every part of a real platform, and are found."""

from collections import Counter

import pytest

from tests.fakes.site import article
from tests.pipeline.books import by_path, check, check_nothing_went_wrong, index_of
from tests.pipeline.platform import Platform, eventually_async, platform
from tests.pipeline.world import ODD, Endpoint, Web, demo_pages

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("sink", ["broker", "direct"])
async def test_pages_are_indexed_and_found_and_only_changes_are_done_again(
    sink: str, model: Endpoint, site: Web
) -> None:
    async with platform(EMBEDDING_API_BASE_URL=model.url, EVENT_SINK=sink) as fresh:
        await _every_page_ends_as_it_should(fresh, site)
        await _passages_are_found_by_their_words(fresh, site)
        await _a_second_visit_finds_nothing_new(fresh, site)
        await _a_changed_page_takes_the_place_of_the_old_one(fresh, site)
        await _the_sweeper_had_nothing_to_do(fresh)


async def _every_page_ends_as_it_should(fresh: Platform, site: Web) -> None:
    job_id = await fresh.submit([*site.urls, *map(site.url, ODD)], "travel")
    job = await fresh.finish(job_id)
    documents = by_path(await fresh.documents(job_id))
    ends = {path: (document["status"], document["error_code"]) for path, document in documents.items()}
    assert ends == dict.fromkeys(demo_pages(), ("indexed", None)) | ODD
    assert job["status"] == "completed_with_errors"
    assert documents["/logbook"]["chunks"] > 30, "a very long page"
    for path, chunks in (await index_of(fresh, "travel")).items():
        assert sum(chunk.tokens for chunk in chunks) == documents[path]["tokens"] > 20
    await check(fresh, job_id)
    await check_nothing_went_wrong(fresh, job_id)


async def _passages_are_found_by_their_words(fresh: Platform, site: Web) -> None:
    wanted = (await index_of(fresh, "travel"))["/pound-lock"][0]
    [found] = await fresh.search(wanted.text, "travel", k=1)
    assert (found["url"], found["ordinal"], found["text"]) == (site.url("/pound-lock"), 0, wanted.text)
    assert (found["start"], found["end"]) == (wanted.start, wanted.end)
    assert found["score"] == pytest.approx(1, abs=1e-3)


async def _a_second_visit_finds_nothing_new(fresh: Platform, site: Web) -> None:
    before, asked = await index_of(fresh, "travel"), len(site.site.requests["/glossary"])
    documents = await fresh.run(site.urls, "travel")
    assert Counter(document["status"] for document in documents) == {"unchanged": len(site.urls)}
    assert all(document["chunks"] for document in documents)
    assert len(site.site.requests["/glossary"]) == asked + 1, "asked, and told that nothing changed"
    assert await index_of(fresh, "travel") == before


async def _a_changed_page_takes_the_place_of_the_old_one(fresh: Platform, site: Web) -> None:
    before = await index_of(fresh, "travel")
    site.site.pages["/logbook"] = article("Logbook", "Nothing happened at the summit lock in all these months. " * 3)
    job_id = await fresh.submit([site.url("/logbook"), site.url("/glossary")], "travel")
    await fresh.finish(job_id)
    documents = by_path(await fresh.documents(job_id))
    assert (documents["/logbook"]["status"], documents["/glossary"]["status"]) == ("indexed", "unchanged")
    after = await index_of(fresh, "travel")
    assert len(after["/logbook"]) == documents["/logbook"]["chunks"] == 1
    assert "Nothing happened" in after["/logbook"][0].text
    assert {**before, "/logbook": []} == {**after, "/logbook": []}, "the other pages are as they were"
    await check(fresh, job_id)
    await check_nothing_went_wrong(fresh, job_id)


async def _the_sweeper_had_nothing_to_do(fresh: Platform) -> None:
    """All that was to be sent has been sent and noted: the relay will find nothing."""

    async def sent() -> bool:
        return not await fresh.rows("SELECT 1 FROM outbox WHERE published_at IS NULL")

    await eventually_async(sent, 5)


async def test_with_the_real_model_questions_find_their_answers(site: Web) -> None:
    async with platform() as real:
        paths = ["/pound-lock", "/fish-pass", "/schleuse", "/glossary"]
        documents = await real.run([site.url(path) for path in paths], "questions")
        assert {document["status"] for document in documents} == {"indexed"}
        for question, answer in (
            ("how do salmon get past a weir?", "/fish-pass"),
            ("how does a lock raise a boat?", "/pound-lock"),
        ):
            found = await real.search(question, "questions", k=3)
            assert found[0]["url"] == site.url(answer)
            assert len(found) == 3
