"""Hot statements walk indexes, however many documents there are."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from shared.store.queries import every
from shared.store.store import Store
from tests.shared.store.world import World

if TYPE_CHECKING:
    from shared.store.store import Connection

MANY = """
INSERT INTO documents (
    id, job_id, corpus_id, caller_id, ordinal, url, domain, state, not_before, lease_until, tokens, created_at,
    updated_at
)
SELECT gen_random_uuid(), j.id, j.corpus_id, j.caller_id, i, 'https://d' || i % 500 || '.org/' || i,
    'd' || i % 500 || '.org', s.state, now(),
    CASE WHEN s.state = 'scraping' THEN now() + interval '1 hour' END, 10, now(), now()
FROM jobs j, generate_series(1, 20000) i,
LATERAL (SELECT CASE WHEN i % 100 < 60 THEN 'indexed' WHEN i % 100 < 80 THEN 'pending' WHEN i % 100 < 81 THEN 'scraping'
    WHEN i % 100 < 82 THEN 'chunking' ELSE 'embedding' END AS state) s
"""
REST = """
INSERT INTO domains (domain, delay_s) SELECT 'd' || i || '.org', 1 FROM generate_series(0, 499) i;
INSERT INTO pages
SELECT gen_random_uuid(), d.corpus_id, d.url, d.id, d.url, '', '', NULL, NULL, '', 1, 1, '',
    NULL, NULL, NULL, NULL, NULL, 1, 1, now(), now()
FROM documents d WHERE d.state = 'indexed';
INSERT INTO chunks SELECT p.id, p.corpus_id, '', 0, 0, 1, 1, 'x', '[1,2,3]' FROM pages p;
INSERT INTO inbox SELECT 's', i::text, now() FROM generate_series(1, 20000) i;
INSERT INTO outbox SELECT gen_random_uuid(), '{}', now(), now() FROM generate_series(1, 20000) i;
INSERT INTO jobs (id, caller_id, corpus_id, total, created_at)
SELECT gen_random_uuid(), 'c' || i % 50, c.id, 1, now() - i * interval '1 s'
FROM corpora c, generate_series(1, 20000) i;
INSERT INTO corpus_deltas SELECT gen_random_uuid(), 1, 1, 1 FROM generate_series(1, 20000);
INSERT INTO job_deltas SELECT gen_random_uuid(), 'indexed', 1 FROM generate_series(1, 20000) i;
INSERT INTO failures (document_id, job_id, token, attempt, stage, kind, code, message, failed_at)
SELECT gen_random_uuid(), gen_random_uuid(), 1, 1, '', '', '', '', now() FROM generate_series(1, 20000) i;
ANALYZE;
"""
BIG = {"documents", "outbox", "inbox", "job_deltas", "failures", "domains", "chunks", "pages", "jobs"}
# What is shown a page at a time.
LISTS = [
    "reads.jobs",
    "reads.jobs_in_state",
    "reads.jobs_of_corpus",
    "reads.jobs_of_corpus_in_state",
    "reads.documents",
    "reads.documents_in_state",
]
HOT = [
    "claims.scrape",
    "claims.embed",
    "claims.renew",
    "claims.release",
    "transitions.view",
    "transitions.move",
    "jobs.finished",
    "jobs.finish",
    "outbox.mark_published",
    "outbox.take_overdue",
    "sweep.expired",
    "sweep.unanswered",
    "sweep.finished_jobs",
    "sweep.overdue",
    "domains.acquire",
    "index.take_page",
    "index.replace_chunks",
    "reads.job",
    *LISTS,
    "reads.document",
    "reads.corpora",
    "reads.corpus",
    "webhooks.take_due",
    "deletions.take_due",
    "exports.lines",
    "claims.reported",
    "whereabouts.of_url",
    "whereabouts.document",
    "platform.documents",
    "platform.jobs",
    "platform.leased",
    "platform.to_scrape",
    "platform.to_embed",
    "platform.beside",
    "costs.of_job",
    "costs.of_documents",
    "costs.of_caller",
]


@pytest.fixture
async def crowded(world: World) -> Store:
    await world.submit(["https://example.org/"])
    pool = world.store.pool
    await pool.execute(MANY)
    await pool.execute(REST)
    return world.store


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


async def test_hot_statements_read_no_table_from_end_to_end(crowded: Store) -> None:
    scans = {}
    for name in HOT:
        found = {node.get("Relation Name") for node in nodes(await generic_plan(crowded, name)) if is_scan(node)}
        if found & BIG:
            scans[name] = found & BIG
    assert scans == {}


@pytest.mark.parametrize("name", LISTS)
async def test_a_page_of_a_list_is_read_in_its_order_however_long_the_list_is(crowded: Store, name: str) -> None:
    keys = {key for node in nodes(await generic_plan(crowded, name)) for key in node.get("Sort Key", [])}
    assert keys <= {"job_deltas.state"}, "only the few counts of a job are sorted"


async def generic_plan(store: Store, name: str) -> dict[str, Any]:
    """What is planned once and for all values."""
    async with store.pool.acquire() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        count = len((await connection.prepare(every()[name])).get_parameters())
        await connection.execute(f"PREPARE probe AS {every()[name]}")
        values = f"({', '.join(['NULL'] * count)})" if count else ""
        text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE probe{values}")
        await connection.execute("DEALLOCATE probe")
        await connection.execute("RESET plan_cache_mode")
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def is_scan(node: dict[str, Any]) -> bool:
    return bool(node["Node Type"] == "Seq Scan")


async def test_a_scan_would_be_noticed(crowded: Store) -> None:
    text = await crowded.pool.fetchval("EXPLAIN (FORMAT JSON) SELECT * FROM documents WHERE url LIKE '%x'")
    assert any(is_scan(node) for node in nodes(json.loads(text)[0]["Plan"]))


async def test_asking_what_is_overdue_reads_no_table_from_end_to_end(crowded: Store) -> None:
    async with crowded.pool.acquire() as connection, connection.transaction():
        before = await rows_scanned(connection)
        await connection.fetchval("SELECT overdue FROM overdue")
        after = await rows_scanned(connection)
    assert {name for name in BIG if after[name] != before[name]} == set()


async def rows_scanned(connection: "Connection") -> dict[str, int]:
    rows = await connection.fetch("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables")
    return {row["relname"]: row["seq_tup_read"] for row in rows}


async def test_a_claim_reads_a_few_pages_of_a_crowded_table(crowded: Store, world: World) -> None:
    """The lanes of 500 domains are walked, not their documents."""
    lane = ("16", "60", "now()", "true", "0", "'a'")
    sql = every()["claims.scrape"]
    for place, value in reversed(list(enumerate(lane, start=1))):
        sql = sql.replace(f"${place}", value)
    async with crowded.pool.acquire() as connection, connection.transaction():
        text = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    plan = json.loads(text)[0]["Plan"]
    assert plan["Actual Rows"] == 16
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 2500


async def test_a_rare_state_is_found_at_once_among_the_many_jobs_of_a_corpus(crowded: Store) -> None:
    """The oldest of all, so that whoever walks by time alone passes every other job first."""
    await crowded.pool.execute(
        "INSERT INTO jobs (id, caller_id, corpus_id, state, total, created_at)"
        " SELECT gen_random_uuid(), 'alice', c.id, CASE i WHEN 20000 THEN 'failed' ELSE 'running' END, 1,"
        " now() - i * interval '1 minute' FROM corpora c, generate_series(1, 20000) i"
    )
    await crowded.pool.execute("ANALYZE jobs")
    values = "'alice', NULL, NULL, NULL, NULL, 10, 'books', 'failed'"
    async with crowded.pool.acquire() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE rare AS {every()['reads.jobs_of_corpus_in_state']}")
        text = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE rare({values})")
        await connection.execute("DEALLOCATE rare")
        await connection.execute("RESET plan_cache_mode")
    plan = json.loads(text)[0]["Plan"]
    assert plan["Actual Rows"] == 1
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 100
