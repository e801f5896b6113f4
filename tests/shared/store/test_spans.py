"""Statements as spans: by their names, with their time, and never by what they say."""

import asyncio
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from observe import context, tracing
from observe.context import TraceContext
from observe.vocabulary import strangers
from shared.errors import Unavailable
from shared.store.queries import load
from shared.store.store import Store
from tests.fakes.telemetry import Recorded, parent_id, recording, trace_id
from tests.shared.store.world import World

ASKED = TraceContext("a" * 32, "b" * 16)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as made:
        yield made


async def test_a_statement_is_called_as_in_our_files(recorded: Recorded, database: str) -> None:
    async with await Store.open(database) as store:
        with tracing.span("work", parent=ASKED) as work:
            await World(store).submit(["https://example.org/words-of-a-page"])
    statements = {span.name: span for span in recorded.spans() if span.name != "work"}
    assert {"jobs.weigh", "jobs.corpus", "jobs.accept", "jobs.meet_domains", "jobs.add_documents", "COMMIT"} <= (
        statements.keys()
    )
    for name, span in statements.items():
        assert (trace_id(span), parent_id(span), span.kind) == (ASKED.trace_id, work.context.span_id, SpanKind.CLIENT)
        assert span.attributes == {"db.system.name": "postgresql", "db.query.summary": name}
        assert strangers(span.attributes or {}) == {}
    assert "words-of-a-page" not in repr([span.to_json() for span in recorded.spans()])


async def test_a_statement_that_waits_says_how_long_and_why_it_failed(recorded: Recorded, database: str) -> None:
    """For somebody else's lock, until Postgres has had enough."""
    async with await Store.open(database, pool_size=3) as store:
        job = await World(store).submit(["https://example.org/"])
        async with store.pool.acquire() as other, other.transaction():
            await other.execute("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", job)
            began_s = time.time()
            with context.entered(ASKED), pytest.raises(Unavailable):
                await _lock(store, job)
        ended_s = time.time()
    span = recorded.one("jobs.lock_job")
    assert span.start_time is not None
    assert span.end_time is not None
    assert began_s <= span.start_time / 1e9 <= span.end_time / 1e9 - 0.19 <= ended_s
    assert (span.status.status_code, (span.attributes or {})["error.type"]) == (StatusCode.ERROR, "55P03")
    assert [each.name for each in recorded.spans()] == ["jobs.lock_job"], "what is none of ours has no name"


async def _lock(store: Store, job: UUID) -> None:
    async with store.transaction() as connection:
        await connection.execute("SET LOCAL lock_timeout = '200ms'")
        await connection.fetchval(load("jobs")["lock_job"], job, "alice")


async def test_what_is_done_for_nobody_is_no_span(recorded: Recorded, database: str) -> None:
    async with await Store.open(database) as store:
        world = World(store)
        await world.sweep()
        await asyncio.gather(*(world.scrape() for _ in range(3)))
    assert recorded.spans() == ()
