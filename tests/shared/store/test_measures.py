"""What is counted of documents and jobs, by what became of them."""

from shared.contracts.costs import Spent
from shared.contracts.stages import ChunkRequested
from shared.store.claims import report
from shared.store.sweep import sweep
from tests.numbers import Since
from tests.shared.store.world import LEASE_S, World

TRIES = "sluice_document_tries_total"


async def test_a_document_counts_once_for_each_stage_it_passed_and_for_its_end(world: World) -> None:
    since = Since()
    await world.submit(["https://a.example.org/"])
    world.after(20)
    [claim] = await world.scrape()
    [asked] = await world.apply(world.scraped(claim), event_id="scraped-once")
    assert asked.type == ChunkRequested.event_type
    await world.apply(world.scraped(claim), event_id="scraped-once")
    await world.apply(world.chunked(asked))
    [embed] = await world.embed()
    await world.swap(embed)
    world.after(20)
    await world.apply(world.embedded(embed))
    assert [since(TRIES, stage=stage, outcome="passed") for stage in ("scrape", "chunk", "embed")] == [1, 1, 1]
    assert since("sluice_stage_wait_seconds_sum", stage="scrape") == 20
    assert since("sluice_stage_wait_seconds_count", stage="embed") == 1
    assert since("sluice_document_seconds_count", state="indexed") == 1
    assert since("sluice_document_seconds_sum", state="indexed") == 40
    assert since("sluice_job_seconds_count", status="completed") == 1
    assert since("sluice_job_seconds_sum") == 40


async def test_failures_count_by_stage_and_kind_and_only_what_ended_has_an_end(world: World) -> None:
    since = Since()
    await world.submit([f"https://d{n}.example.org/" for n in range(2)])
    transient, permanent = await world.scrape(2)
    await world.apply(world.failed(transient))
    await world.apply(world.failed(permanent, "permanent"))
    assert since(TRIES, stage="scrape", outcome="transient") == 1
    assert since(TRIES, stage="scrape", outcome="permanent") == 1
    assert since("sluice_document_seconds_count", state="failed") == 1
    assert since("sluice_document_seconds_count") == 1


async def test_a_lease_that_runs_out_counts_by_what_was_lost(world: World) -> None:
    since = Since()
    await world.submit(["https://a.example.org/", "https://b.example.org/"])
    died, told = await world.scrape(2)
    await report(world.store, [told], world.now, world.policy)
    world.after(LEASE_S)
    await world.sweep()
    assert since("sluice_lease_expiries_total", stage="scrape", cause="worker_died") == 1
    world.after(10 * LEASE_S)
    await world.sweep()
    assert since("sluice_lease_expiries_total", stage="scrape", cause="result_lost") == 1
    assert since(TRIES, stage="scrape", outcome="interrupted") == 2
    assert since("sluice_sweeps_total") == 2
    assert died.token == 1


async def test_chunks_asked_for_again_count_and_a_sweep_that_was_not_due_does_not(world: World) -> None:
    since = Since()
    await world.submit(["https://a.example.org/"])
    [claim] = await world.scrape()
    await world.apply(world.scraped(claim))
    world.after(3600)
    await world.sweep()
    await sweep(world.store, world.now, world.policy, every_s=60)
    assert since("sluice_chunk_nudges_total") == 1
    assert since("sluice_sweeps_total") == 1


async def test_jobs_count_by_how_they_ended(world: World) -> None:
    since = Since()
    job = await world.submit(["https://a.example.org/"])
    await world.cancel(job)
    await world.submit(["https://b.example.org/"])
    [claim] = await world.scrape()
    await world.apply(world.failed(claim, "permanent"))
    assert since("sluice_job_seconds_count", status="cancelled") == 1
    assert since("sluice_job_seconds_count", status="failed") == 1


async def test_what_was_spent_counts_once_by_stage_and_by_what_it_was(world: World) -> None:
    since = Since()
    await world.submit(["https://a.example.org/"])
    [claim] = await world.scrape()
    scraped = world.scraped(claim).model_copy(update={"spent": Spent(fetched_bytes=10, decoded_bytes=30, cpu_s=0.5)})
    for _ in range(2):
        [*requests] = await world.apply(scraped, event_id="scraped-once")
    assert requests == []
    assert since("sluice_cost_cpu_seconds_total", stage="scrape") == 0.5
    found = {of: since("sluice_cost_bytes_total", of=of) for of in ("fetched", "decoded", "text")}
    assert found == {"fetched": 10, "decoded": 30, "text": 4}


async def test_tokens_count_as_they_were_embedded_and_as_they_were_indexed(world: World) -> None:
    since = Since()
    await world.submit(["https://a.example.org/"])
    [request] = await world.pass_scrape()
    await world.apply(world.chunked(request, tokens=7))
    [claim] = await world.embed()
    await world.swap(claim)
    spent = Spent(embedded_tokens=9, embed_requests=1.0, cpu_s=0.25)
    for _ in range(2):
        await world.apply(world.embedded(claim).model_copy(update={"spent": spent}), event_id="embedded-once")
    assert [since("sluice_cost_tokens_total", of=of) for of in ("indexed", "embedded")] == [7, 9]
    assert since("sluice_cost_cpu_seconds_total", stage="embed") == 0.25
