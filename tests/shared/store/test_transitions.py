"""A document's way through the store, and what events that come twice, late or never do to it."""

from datetime import timedelta
from uuid import uuid4

import pytest

from shared.contracts.payload import Payload
from shared.contracts.stages import PipelineTick
from shared.errors import InvalidInput
from shared.pipeline.policy import Policy
from shared.store.claims import release, renew
from shared.store.reads import Wait, list_failures
from shared.store.store import Store
from tests.shared.store.world import CHUNKER, LEASE_S, World, document_id

URL = "https://example.org/a"


async def count(store: Store, table: str) -> int:
    return int(await store.pool.fetchval(f"SELECT count(*) FROM {table}"))


async def test_a_document_travels_to_the_index_and_ends_its_job(world: World) -> None:
    job = await world.submit([URL])
    assert (await world.job(job)).status == "accepted"
    [claim] = await world.scrape()
    assert (claim.url, claim.fetch_url, claim.domain, claim.etag) == (URL, URL, "example.org", None)
    assert (await world.job(job)).status == "running"
    [request] = await world.apply(world.scraped(claim))
    assert request.type == "dev.sluice.chunk.requested.v1"
    await world.apply(world.chunked(request))
    [embedding] = await world.embed()
    assert embedding.token > claim.token
    assert (embedding.count, embedding.tokens, embedding.model, embedding.dimension) == (2, 7, "a-model", 3)
    assert await world.swap(embedding)
    await world.apply(world.embedded(embedding))
    view = await world.job(job)
    assert (view.status, dict(view.counts)) == ("completed", {"indexed": 1})
    [row] = await world.documents(job)
    assert (row.state, row.chunks, row.tokens, row.error_code) == ("indexed", 2, 7, None)
    assert row.wait(world.now) is None
    assert world.types() == [
        "scrape.requested",
        "chunk.requested",
        "embed.requested",
        "document.indexed",
        "job.completed",
    ]


async def test_an_event_that_comes_twice_has_an_effect_once(world: World) -> None:
    await world.submit([URL])
    [claim] = await world.scrape()
    assert len(await world.apply(world.scraped(claim), "the-same")) == 1
    assert await world.apply(world.scraped(claim), "the-same") == []
    assert await world.apply(world.scraped(claim), "another id, the same news") == []
    assert await count(world.store, "inbox") == 2  # the submission and the first report


async def test_a_job_that_is_submitted_twice_is_one_job(world: World) -> None:
    job = await world.submit([URL])
    await world.submit([URL, "https://example.org/b"], job_id=job)
    assert (await world.job(job)).total == 1


async def test_the_result_of_an_older_claim_changes_nothing(world: World) -> None:
    job = await world.submit([URL])
    [old] = await world.scrape()
    world.after(LEASE_S)
    await world.sweep()
    [new] = await world.scrape()
    assert await world.apply(world.scraped(old)) == []
    assert await world.apply(world.failed(old, "permanent")) == []
    assert await renew(world.store, [old], LEASE_S, world.now) == {old.document_id}
    assert await renew(world.store, [new], LEASE_S, world.now) == set()
    await release(world.store, [old], world.now)
    assert len(await world.apply(world.scraped(new))) == 1
    assert (await world.job(job)).counts == {"chunking": 1}


async def test_a_report_of_another_job_changes_nothing(world: World) -> None:
    await world.submit([URL])
    [claim] = await world.scrape()
    assert await world.apply(world.scraped(claim).model_copy(update={"job_id": uuid4()})) == []


async def test_a_transient_failure_waits_and_a_fourth_is_the_last(world: World) -> None:
    job = await world.submit([URL])
    for attempt in range(1, 5):
        [claim] = await world.scrape()
        assert claim.attempt == attempt - 1
        await world.apply(world.failed(claim))
        [row] = await world.documents(job)
        assert (row.attempt, row.error_code, row.error_stage) == (attempt, "went_wrong", "scraping")
        world.after(300)
    assert (row.state, (await world.job(job)).status) == ("failed", "failed")
    failures = await list_failures(world.store, "alice", row.id)
    assert [failure.attempt for failure in failures] == [1, 2, 3, 4]
    assert await list_failures(world.store, "mallory", row.id) == []


async def test_retry_after_holds_the_document_and_its_whole_domain(world: World) -> None:
    job = await world.submit([URL, "https://example.org/b"])
    [claim] = await world.scrape(1)
    await world.apply(world.failed(claim, retry_after_s=120))
    assert await world.scrape() == []
    waits = {row.wait(world.now) for row in await world.documents(job)}
    until = world.now + timedelta(seconds=120)
    assert waits == {Wait("backoff", until), Wait("domain", until)}
    world.after(120)
    assert len(await world.scrape()) == 2


async def test_a_permanent_failure_ends_at_once_and_hurts_nobody_else(world: World) -> None:
    job = await world.submit([URL, "https://example.org/b"])
    [one, other] = await world.scrape()
    await world.apply(world.failed(one, "permanent"))
    assert (await world.job(job)).counts == {"failed": 1, "scraping": 1}
    [request] = await world.apply(world.scraped(other))
    await world.apply(world.chunked(request))
    await world.pass_all()
    assert (await world.job(job)).status == "completed_with_errors"


async def test_giving_back_costs_nothing(world: World) -> None:
    job = await world.submit([URL])
    for _ in range(10):
        [claim] = await world.scrape()
        await release(world.store, [claim], world.now)
    [claim] = await world.scrape()
    assert (claim.attempt, claim.deaths) == (0, 0)
    await release(world.store, [claim], world.now, not_before=world.now + timedelta(seconds=5))
    assert await world.scrape() == []
    assert (await world.job(job)).counts == {"pending": 1}
    world.after(5)
    assert len(await world.scrape()) == 1


async def test_an_interrupted_try_costs_nothing_but_is_remembered(world: World) -> None:
    await world.submit([URL])
    [claim] = await world.scrape()
    await world.apply(world.failed(claim, "interrupted"))
    [claim] = await world.scrape()
    assert claim.attempt == 0
    assert len(await list_failures(world.store, "alice", claim.document_id)) == 1


async def test_a_redirect_to_another_domain_is_fetched_at_that_domains_pace(world: World) -> None:
    job = await world.submit([URL, "https://elsewhere.net/x"])
    claims = {claim.url: claim for claim in await world.scrape()}
    await release(world.store, [claims[URL]], world.now, fetch_url="https://www.new.net:8443/there")
    [claim] = await world.scrape()
    assert (claim.url, claim.fetch_url) == (URL, "https://www.new.net:8443/there")
    assert (claim.domain, claim.redirects) == ("www.new.net:8443", 1)
    assert (await world.job(job)).counts == {"scraping": 2}
    await world.apply(world.failed(claim))
    world.after(300)
    await release(world.store, [claims["https://elsewhere.net/x"]], world.now)
    claims = {claim.url: claim for claim in await world.scrape()}
    assert (claims[URL].fetch_url, claims[URL].redirects) == (URL, 0)


async def test_the_same_text_is_not_indexed_again(world: World) -> None:
    await world.submit([URL])
    await world.pass_all("the text")
    first = world.sent[-2]
    again = await world.submit([URL])
    world.after(10)
    [claim] = await world.scrape()
    events = await world.apply(world.scraped(claim, "the text", etag='"2"'))
    assert [event.type for event in events] == ["dev.sluice.document.indexed.v1", "dev.sluice.job.completed.v1"]
    assert isinstance(first.data, dict)
    assert isinstance(events[0].data, dict)
    assert (events[0].data["unchanged"], events[0].data["chunks"]) == (True, 2)
    [row] = await world.documents(again)
    assert (row.state, row.chunks, row.tokens) == ("unchanged", 2, 7)
    page = await world.store.pool.fetchrow("SELECT etag, fetched_at FROM pages")
    assert page is not None
    assert (page["etag"], page["fetched_at"]) == ('"2"', world.now)


async def test_not_modified_is_believed_only_of_what_search_sees(world: World) -> None:
    await world.submit([URL])
    [claim] = await world.scrape()
    assert await world.apply(world.scraped(claim, None)) == []
    world.after(300)
    [claim] = await world.scrape()
    assert claim.attempt == 1
    [request] = await world.apply(world.scraped(claim, "text", etag='"1"'))
    await world.apply(world.chunked(request))
    [embedding] = await world.embed()
    await world.swap(embedding)
    await world.apply(world.embedded(embedding))
    again = await world.submit([URL])
    [claim] = await world.scrape()
    assert claim.etag == '"1"'
    await world.apply(world.scraped(claim, None))
    assert (await world.job(again)).counts == {"unchanged": 1}


async def test_a_new_chunker_makes_old_pages_new_again(world: World) -> None:
    await world.submit([URL, "https://example.org/b"])
    await world.pass_all("text")
    await world.submit(["https://example.org/c"])
    [request] = await world.pass_scrape("text")
    await world.apply(world.chunked(request, "chunker-2"))
    again = await world.submit([URL])
    [claim] = await world.scrape()
    assert claim.etag is None
    [request] = await world.apply(world.scraped(claim, "text"))
    assert await world.apply(world.chunked(request, CHUNKER)) != []
    assert (await world.job(again)).status == "completed"


async def test_many_ready_documents_wake_the_embedders_once_a_second(world: World) -> None:
    await world.submit([f"https://example.org/{i}" for i in range(20)])
    for i, request in enumerate(await world.pass_scrape()):
        if i == 10:
            world.after(1)
        await world.apply(world.chunked(request))
    assert world.types().count("embed.requested") == 2


@pytest.mark.parametrize("payload", [PipelineTick()])
async def test_what_moves_nothing_is_refused(world: World, payload: Payload) -> None:
    with pytest.raises(InvalidInput, match="moves nothing"):
        await world.apply(payload)


async def test_a_title_with_a_nul_is_kept_without_it(world: World) -> None:
    await world.submit([URL])
    [claim] = await world.scrape()
    report = world.scraped(claim).model_copy(update={"title": "a\0b"})
    assert len(await world.apply(report)) == 1
    assert await world.store.pool.fetchval("SELECT scraped->>'title' FROM documents") == "ab"


async def test_unanswered_requests_for_chunks_are_made_again_and_end(world: World) -> None:
    world.policy = Policy(max_nudges=3)
    job = await world.submit([URL])
    [request] = await world.pass_scrape()
    assert (await world.sweep()).nudged == 0
    requests = [request]
    for _ in range(3):
        world.after(600)
        swept = await world.sweep()
        requests += swept.events
    assert len({event.id for event in requests}) == 4
    assert {event.extensions["token"] for event in requests} == {request.extensions["token"]}
    world.after(600)
    await world.sweep()
    [row] = await world.documents(job)
    assert (row.state, row.error_code, row.id) == ("failed", "stage_unresponsive", document_id(job, URL))


async def test_an_answer_to_any_of_the_requests_counts(world: World) -> None:
    await world.submit([URL])
    [first] = await world.pass_scrape()
    world.after(600)
    [second] = (await world.sweep()).events
    assert len(await world.apply(world.chunked(second))) == 1
    assert await world.apply(world.chunked(first)) == []
