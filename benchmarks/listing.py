"""What list and progress reads cost with a thousand documents in the store, and with a million: in large jobs, and in
many small ones. All are asked in turns.

    python -m benchmarks.listing [--rounds 200]

It takes some minutes, most of them to fill the stores, and two gigabytes of memory or disk.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import UUID

from shared.store.reads import JobFilter, get_corpus, get_job, list_corpora, list_documents, list_jobs
from shared.store.store import Store
from tests import postgres

CALLER = "alice"
# Jobs, and documents a job. Half of them are the caller's, and every listing fills the same page in all.
SIZES = {"1,000": (20, 50), "1,000,000 in 1,000 jobs": (1000, 1000), "1,000,000 in 20,000 jobs": (20_000, 50)}
FILL_S = 900
FILL = """
WITH corpus AS (
    INSERT INTO corpora (id, caller_id, name, model, dimension, chunk_max_tokens, chunk_overlap_tokens, created_at)
    SELECT gen_random_uuid(), c, 'corpus-' || n, 'm', 3, 250, 50, now()
    FROM unnest(ARRAY['alice', 'bob']) c, generate_series(1, 3) n
    RETURNING id, caller_id, name
), job AS (
    INSERT INTO jobs (id, caller_id, corpus_id, state, total, created_at)
    SELECT gen_random_uuid(), c.caller_id, c.id,
        CASE WHEN i > $1 - 6 THEN 'cancelled' WHEN i % 10 < 5 THEN 'failed' ELSE 'running' END, $2,
        now() - i * interval '1 s'
    FROM generate_series(1, $1::integer) i
    JOIN corpus c ON c.name = 'corpus-' || (i % 3 + 1) AND c.caller_id = CASE i % 2 WHEN 1 THEN 'alice' ELSE 'bob' END
    RETURNING id, caller_id, corpus_id
), document AS (
    INSERT INTO documents (
        id, job_id, corpus_id, caller_id, ordinal, url, domain, state, not_before, created_at, updated_at
    )
    SELECT gen_random_uuid(), j.id, j.corpus_id, j.caller_id, n, 'https://e.org/' || n, 'e.org',
        CASE WHEN n % 10 = 7 THEN 'failed' ELSE 'indexed' END, now(), now(), now()
    FROM job j, generate_series(0, $2::integer - 1) n
), page AS (
    INSERT INTO corpus_deltas SELECT id, 1000, 5000, 100000 FROM corpus
)
INSERT INTO job_deltas
SELECT id, s.state, s.n
FROM job, (VALUES ('indexed', $2::integer * 9 / 10), ('failed', $2::integer / 10)) AS s (state, n)
"""

Read = Callable[[Store, UUID], Awaitable[object]]
READS: dict[str, Read] = {
    "GET jobs": lambda store, _: list_jobs(store, CALLER, limit=10),
    "GET jobs?status=failed": lambda store, _: list_jobs(store, CALLER, JobFilter(status="failed"), limit=3),
    "GET jobs?corpus=corpus-1": lambda store, _: list_jobs(store, CALLER, JobFilter(corpus="corpus-1"), limit=3),
    "GET jobs?corpus=corpus-1&status=cancelled": lambda store, _: list_jobs(
        store, CALLER, JobFilter(corpus="corpus-1", status="cancelled"), limit=3
    ),
    "GET jobs/{id}": lambda store, job: get_job(store, CALLER, job),
    "GET jobs/{id}/documents": lambda store, job: list_documents(store, CALLER, job, limit=50),
    "GET jobs/{id}/documents, a later page": lambda store, job: list_documents(store, CALLER, job, limit=20, after=25),
    "GET jobs/{id}/documents?status=failed": lambda store, job: list_documents(
        store, CALLER, job, state="failed", limit=5
    ),
    "GET corpora": lambda store, _: list_corpora(store, CALLER),
    "GET corpora/{name}": lambda store, _: get_corpus(store, CALLER, "corpus-1"),
}


async def measure(address: str, rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds by route and size."""
    dsns = {size: postgres.create(address) for size in SIZES}
    async with AsyncExitStack() as opened:
        stores = {
            size: await opened.enter_async_context(await Store.open(dsn, timeout_s=FILL_S))
            for size, dsn in dsns.items()
        }
        newest = {size: await _fill(stores[size], *SIZES[size]) for size in SIZES}
        return {name: await _medians_ms(read, stores, newest, rounds) for name, read in READS.items()}


async def _fill(store: Store, jobs: int, documents: int) -> UUID:
    """The caller's newest job."""
    await store.pool.execute(FILL, jobs, documents, timeout=FILL_S)
    await store.pool.execute("VACUUM ANALYZE", timeout=FILL_S)
    [job] = await list_jobs(store, CALLER, limit=1)
    return job.id


async def _medians_ms(
    read: Read, stores: Mapping[str, Store], newest: Mapping[str, UUID], rounds: int
) -> dict[str, float]:
    took: dict[str, list[float]] = {size: [] for size in stores}
    for _ in range(rounds):
        for size, store in stores.items():
            started = time.perf_counter()
            await read(store, newest[size])
            took[size].append((time.perf_counter() - started) * 1000)
    return {size: statistics.median(times) for size, times in took.items()}


def main() -> int:
    """1 when a route costs more than twice as much."""
    parser = argparse.ArgumentParser(description="list and progress reads, by how much there is")
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    session = postgres.new_session()
    try:
        address = postgres.server(session, os.getpid())
        found = asyncio.run(measure(address, rounds))
    finally:
        postgres.end_session(session)
    few, *many = SIZES
    print(f"{datetime.now(UTC):%Y-%m-%d}, documents in the store; median of {rounds}, ms (times that of {few})")
    print(f"  {'':<40} {few:>8} " + " ".join(f"{size:>26}" for size in many))
    for name, cost in found.items():
        beside = " ".join(f"{cost[size]:>18.2f} ({cost[size] / cost[few]:4.1f}x)" for size in many)
        print(f"  {name:<40} {cost[few]:>8.2f} {beside}")
    return int(any(cost[size] > 2 * cost[few] for cost in found.values() for size in many))


if __name__ == "__main__":
    sys.exit(main())
