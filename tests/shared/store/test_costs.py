"""What work took is counted once, whatever comes twice, late or never, and every sum says the same."""

import asyncio
from dataclasses import asdict, fields
from datetime import timedelta
from uuid import UUID, uuid4

from shared.contracts.costs import Spent
from shared.contracts.stages import DocumentChunked, DocumentEmbedded, DocumentScraped, SitemapRead, StageFailed
from shared.pipeline.costs import Cost, cost_of_release
from shared.store import costs, deletions
from shared.store.claims import release
from shared.store.costs import CostGroup, Hours, fold_costs
from shared.store.deletions import Deletion
from shared.store.housekeeping import trim
from shared.store.store import Store
from tests.shared.store.world import START, World, document_id

URL = "https://example.org/a"
FETCH = Spent(fetched_bytes=100, decoded_bytes=900, cpu_s=0.25)
SPLIT = Spent(cpu_s=0.125)
EMBED = Spent(embedded_tokens=21, embed_requests=0.5, cpu_s=0.0625)
# "text" is four bytes; two chunks of seven tokens together.
WHOLE_WAY = Cost(
    attempts=3,
    fetched_bytes=100,
    decoded_bytes=900,
    text_bytes=4,
    chunks=2,
    indexed_tokens=7,
    embedded_tokens=21,
    embed_requests=0.5,
    scrape_cpu_s=0.25,
    chunk_cpu_s=0.125,
    embed_cpu_s=0.0625,
)


async def travel(world: World) -> None:
    """Every ready document goes all the way, and each stage says what it took."""
    for claim in await world.scrape():
        await world.apply(world.scraped(claim).model_copy(update={"spent": FETCH}))
    for request in world.sent:
        if request.type == "dev.sluice.chunk.requested.v1":
            await world.apply(world.chunked(request).model_copy(update={"spent": SPLIT}))
    for embedding in await world.embed():
        assert await world.swap(embedding)
        await world.apply(world.embedded(embedding).model_copy(update={"spent": EMBED}))


async def total(world: World) -> Cost:
    groups = await costs.caller_costs(world.store, "alice", Hours())
    return groups[0].cost if groups else Cost()


async def every_sum(world: World, job: UUID, url: str = URL) -> set[Cost]:
    """Of the only document, its job and its caller."""
    document = document_id(job, url)
    of_document = await costs.document_costs(world.store, {document: job})
    return {of_document[document], await costs.job_cost(world.store, job), await total(world)}


async def test_a_document_its_job_and_its_caller_cost_what_the_stages_reported(world: World) -> None:
    job = await world.submit([URL])
    await travel(world)
    assert await every_sum(world, job) == {WHOLE_WAY}


async def test_folding_changes_no_sum_and_leaves_no_delta(world: World) -> None:
    job = await world.submit([URL])
    await travel(world)
    assert await fold_costs(world.store) == 3
    assert await every_sum(world, job) == {WHOLE_WAY}
    assert await world.store.pool.fetchval("SELECT count(*) FROM cost_deltas") == 0
    await world.submit([URL])
    await travel(world)
    await world.sweep()
    assert await world.store.pool.fetchval("SELECT count(*) FROM cost_deltas") == 0, "the sweep folds"


async def test_many_may_fold_at_once_and_every_cost_is_added_once(world: World) -> None:
    for n in range(4):
        await world.submit([f"{URL}/{n}/{m}" for m in range(3)])
    for _ in range(2):
        await travel(world)
    folded = await asyncio.gather(*(fold_costs(world.store) for _ in range(8)))
    assert sum(folded) + await fold_costs(world.store) == 3 * 12
    assert (await total(world)).attempts == 3 * 12


async def test_a_failed_try_a_retry_and_an_unchanged_page_have_cost_too(world: World) -> None:
    job = await world.submit([URL])
    [claim] = await world.scrape()
    await world.apply(world.failed(claim).model_copy(update={"spent": FETCH}))
    world.after(3600)
    await travel(world)
    assert (await costs.job_cost(world.store, job)).fetched_bytes == 200
    again = await world.submit([URL])
    [claim] = await world.scrape()
    await world.apply(world.scraped(claim, content=None).model_copy(update={"spent": FETCH}))
    assert (await world.documents(again))[0].state == "unchanged"
    assert await costs.job_cost(world.store, again) == Cost(
        attempts=1, fetched_bytes=100, decoded_bytes=900, scrape_cpu_s=0.25
    )


async def test_what_comes_twice_or_late_costs_nothing_more(world: World) -> None:
    job = await world.submit([URL])
    [claim] = await world.scrape()
    report = world.scraped(claim).model_copy(update={"spent": FETCH})
    for event_id in ("the-same", "the-same", "another"):
        await world.apply(report, event_id)
    assert (await costs.job_cost(world.store, job)).attempts == 1
    world.after(3600)
    await world.apply(world.failed(claim).model_copy(update={"spent": FETCH}))
    assert (await costs.job_cost(world.store, job)).fetched_bytes == 100


async def test_a_worker_that_died_has_cost_what_it_reported(world: World) -> None:
    job = await world.submit([URL])
    await world.scrape()
    world.after(3600)
    await world.sweep()
    assert await costs.job_cost(world.store, job) == Cost()
    await travel(world)
    assert await every_sum(world, job) == {WHOLE_WAY}


async def test_a_claim_that_is_given_back_has_cost_once_and_is_no_try(world: World) -> None:
    job = await world.submit([URL])
    [claim] = await world.scrape()
    for _ in range(2):
        await release(world.store, [claim], world.now, costs=[cost_of_release("scraping", FETCH)])
    assert await costs.job_cost(world.store, job) == Cost(fetched_bytes=100, decoded_bytes=900, scrape_cpu_s=0.25)
    assert cost_of_release("scraping", Spent()) is None


async def test_events_of_older_versions_say_nothing_of_costs_and_are_read(world: World) -> None:
    job = await world.submit([URL])
    await world.pass_all()
    assert await every_sum(world, job) == {Cost(attempts=3, text_bytes=4, chunks=2, indexed_tokens=7)}
    for model in (DocumentScraped, DocumentChunked, DocumentEmbedded, SitemapRead, StageFailed):
        assert not model.model_fields["spent"].is_required()


async def test_costs_are_told_apart_by_corpus_and_by_time(world: World) -> None:
    world.now = START.replace(hour=10, minute=59)
    await world.submit([URL])
    await travel(world)
    world.after(120)
    await world.submit([URL], corpus="letters")
    await travel(world)
    await world.submit([URL], caller="bob")
    await travel(world)
    await fold_costs(world.store)
    hours = [
        (group.since, group.cost)
        for group in await costs.caller_costs(world.store, "alice", Hours(), by="hour", limit=9)
    ]
    assert hours == [(START.replace(hour=11), WHOLE_WAY), (START.replace(hour=10), WHOLE_WAY)]
    named = await costs.caller_costs(world.store, "alice", Hours(), by="corpus", limit=9)
    assert {group.corpus for group in named} == {"books", "letters"}
    [first] = await costs.caller_costs(world.store, "alice", Hours(before=START.replace(hour=11)), limit=1)
    assert first == CostGroup(None, None, None, WHOLE_WAY)
    by_caller = await costs.all_costs(world.store, Hours(), by="caller", limit=9)
    assert {group.caller_id: group.cost.attempts for group in by_caller} == {"alice": 6, "bob": 3}


async def test_a_deleted_corpus_leaves_what_its_caller_spent_and_nothing_that_names_it(world: World) -> None:
    await world.submit([URL])
    await travel(world)
    await fold_costs(world.store)
    await world.submit([f"{URL}/next"])
    [claim] = await world.scrape()
    await world.apply(world.scraped(claim).model_copy(update={"spent": FETCH}))
    before = await total(world)
    corpus = await world.store.pool.fetchval("SELECT id FROM corpora")
    deletion = Deletion(uuid4(), "alice", corpus, "books", None)
    assert (await deletions.left(world.store, corpus))["costs"] == 2, "one folded, one not"
    await _delete(world.store, deletion, world)
    assert set((await deletions.left(world.store, corpus)).values()) == {0}
    for table in ("document_costs", "job_costs", "cost_deltas"):
        assert await world.store.pool.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await total(world) == before
    [group] = await costs.caller_costs(world.store, "alice", Hours(), by="corpus", limit=9)
    assert (group.corpus, group.cost) == (None, before)


async def _delete(store: Store, deletion: Deletion, world: World) -> None:
    await deletions.settle_costs(store, deletion)
    while await deletions.remove_some(store, deletion):
        pass
    while jobs := await deletions.some_jobs(store, deletion):
        await deletions.remove_jobs(store, deletion, jobs)
    await deletions.finish(store, deletion, world.now, world.now)


async def test_housekeeping_forgets_what_was_spent_more_than_a_year_ago(world: World) -> None:
    job = await world.submit([URL])
    await travel(world)
    await fold_costs(world.store)
    await trim(world.store, world.now + timedelta(days=399))
    assert await total(world) == WHOLE_WAY
    await trim(world.store, world.now + timedelta(days=401))
    assert await total(world) == Cost()
    assert await costs.job_cost(world.store, job) == WHOLE_WAY, "a job is asked for as long as there is one"


async def test_every_table_has_the_columns_of_a_cost(world: World) -> None:
    names = [field.name for field in fields(Cost)]
    assert list(asdict(Cost())) == names
    for table in ("cost_deltas", "document_costs", "job_costs", "caller_costs"):
        rows = await world.store.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position", table
        )
        assert [row["column_name"] for row in rows][-len(names) :] == names
