"""A run that began on the schema of an older version, or with its events, goes on after migrating."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.contracts.envelope import from_event
from shared.contracts.jobs import JobSubmitted
from shared.pipeline.policy import Policy
from shared.store.migrate import migrate, migrations
from shared.store.outbox import take_overdue
from shared.store.store import Store
from shared.store.submit import submit_job
from shared.store.transitions import apply
from tests import postgres
from tests.shared.contracts import first_events
from tests.shared.store.world import DEFAULTS, START, World


@pytest.mark.parametrize("version", [version for version, _ in migrations()][:-1])
async def test_a_run_that_began_on_an_older_schema_goes_on_after_migrating(postgres_server: str, version: int) -> None:
    """One document in each state, as the first schema has them."""
    dsn = postgres.create(postgres_server, template="template0")
    try:
        await _migrate_to(dsn, version)
        job = await _begun(dsn)
        await migrate(dsn)
        async with await Store.open(dsn) as store:
            world = World(store, now=START + timedelta(hours=1))
            for _ in range(4):
                await world.sweep()
                for request in world.sent:
                    if request.type == "dev.sluice.chunk.requested.v1":
                        await world.apply(world.chunked(request))
                await world.pass_all()
            assert (await world.job(job)).counts == {"indexed": 4}
            assert (await world.job(job)).status == "completed"
    finally:
        postgres.drop(postgres_server, dsn)


async def test_the_events_of_the_first_days_take_a_document_all_the_way(store: Store) -> None:
    """Each as it was sent then, and once more: their receivers know them by source and id, and by what they say."""
    world, by_name = World(store), first_events.sent()

    async def arrive(name: str) -> None:
        for event in by_name[name].events:
            await world.send(await apply(store, event, from_event(event), world.now))

    event = by_name["job.submitted"].events[0]
    payload = from_event(event)
    assert isinstance(payload, JobSubmitted)
    for _ in range(2):
        await world.send(await submit_job(store, event, payload, [first_events.URL], DEFAULTS, world.now))
    [claim] = await world.scrape()
    assert (claim.document_id, claim.token) == (first_events.DOCUMENT, 1)
    await arrive("document.scraped")
    await arrive("document.chunked")
    [embedding] = await world.embed()
    assert await world.swap(embedding)
    await arrive("document.embedded")
    assert (await world.job(first_events.JOB)).status == "completed"
    assert world.types().count("document.indexed") == world.types().count("job.completed") == 1


async def test_so_do_those_that_fail_call_off_and_ask_again(store: Store) -> None:
    world, by_name = World(store, policy=Policy(max_attempts=1)), first_events.sent()

    async def arrive(name: str) -> None:
        event = by_name[name].events[0]
        await world.send(await apply(store, event, from_event(event), world.now, world.policy))

    await world.submit([first_events.URL], job_id=first_events.JOB)
    await world.scrape()
    await arrive("stage.failed")
    assert (await world.job(first_events.JOB)).status == "failed"
    await arrive("job.replay_requested")
    assert (await world.job(first_events.JOB)).counts == {"pending": 1}
    await arrive("job.cancel_requested")
    assert (await world.job(first_events.JOB)).status == "cancelled"


async def test_what_an_outbox_of_the_first_days_holds_still_leaves(store: Store) -> None:
    world = World(store)
    sent = first_events.sent()
    for one in sent.values():
        event = one.events[0]
        await store.fetch(
            "INSERT INTO outbox (id, event, due_at) VALUES ($1, $2, $3)", UUID(event.id), one.structured.decode(), START
        )
    assert {event.type for event in await take_overdue(store, world.now)} == {
        one.headers["ce-type"] for one in sent.values()
    }


async def _migrate_to(dsn: str, version: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE TABLE schema_migrations (version integer PRIMARY KEY, applied_at timestamptz)")
        for number, sql in migrations()[:version]:
            await connection.execute(sql)
            await connection.execute("INSERT INTO schema_migrations VALUES ($1, now())", number)
    finally:
        await connection.close()


async def _begun(dsn: str) -> UUID:
    connection = await asyncpg.connect(dsn)
    corpus, job = uuid4(), uuid4()
    try:
        await connection.execute(
            "INSERT INTO corpora VALUES ($1, 'alice', 'books', 'a-model', 3, 250, 50, NULL, 'none', NULL, $2)",
            corpus,
            START,
        )
        await connection.execute(
            "INSERT INTO jobs VALUES ($1, 'alice', $2, 'running', 4, 0, NULL, $3)", job, corpus, START
        )
        await connection.execute("INSERT INTO domains (domain, delay_s) VALUES ('old.org', 0)")
        await connection.execute(_DOCUMENTS, job, corpus, START, START + timedelta(minutes=1))
        await connection.execute("INSERT INTO job_deltas SELECT job_id, state, 1 FROM documents")
    finally:
        await connection.close()
    return job


_DOCUMENTS = """
INSERT INTO documents (
    id, job_id, corpus_id, caller_id, ordinal, url, domain, state, token, not_before, lease_until,
    text_key, text_sha256, text_size, chunks_key, chunks_sha256, chunks_size, chunker, chunks, tokens,
    created_at, updated_at
)
SELECT gen_random_uuid(), $1, $2, 'alice', n, 'https://old.org/' || n, 'old.org', state, 1, $3,
    CASE state WHEN 'scraping' THEN $4::timestamptz END,
    text.key, repeat('a', 64), 1, chunks.key, repeat('b', 64), 1, 'chunker-1', 2, 7, $3, $3
FROM unnest(ARRAY['pending', 'scraping', 'chunking', 'embedding']) WITH ORDINALITY AS given (state, n),
LATERAL (SELECT CASE WHEN state IN ('chunking', 'embedding') THEN 'corpora/x/text/' || repeat('a', 64) END AS key) text,
LATERAL (SELECT CASE WHEN state = 'embedding' THEN 'corpora/x/chunks/' || repeat('b', 64) END AS key) chunks
"""
