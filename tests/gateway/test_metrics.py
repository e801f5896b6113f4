"""What the gateway tells of its requests, and of the whole platform."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from gateway.platform import Platform
from shared.store.audit import add_dead_letter
from shared.store.domains import hold_domain
from shared.store.store import Store
from shared.workqueue.wake import Waker
from tests.gateway.conftest import ALICE, World, gateway_on, insert_job
from tests.local_http import closed_port, until
from tests.numbers import Since, here, numbers
from tests.shared.store.world import World as Pipeline

SEARCH = "/api/embedding/search"


async def test_the_platform_s_numbers_are_read_at_most_every_few_seconds_however_many_ask(world: World) -> None:
    await insert_job(world.store, ALICE, ["pending", "pending", "scraping", "indexed"])
    since = Since()
    answers = await asyncio.gather(*(world.client.get("/metrics") for _ in range(8)))
    found = numbers(answers[-1].text)
    assert (found("sluice_documents", state="pending"), found("sluice_documents", state="indexed")) == (2, 1)
    assert found("sluice_ready_documents", stage="scrape") == 2
    assert found("sluice_jobs", state="running") == 1
    assert found("sluice_queue_jobs") == 0, "this gateway knows no Redis"
    assert since("sluice_platform_read_seconds_count", source="postgres", outcome="ok") == 1


async def test_each_number_of_the_platform_is_told_under_its_own_name(store: Store) -> None:
    """A job that is a quarter of an hour old, whose workers and whose orchestrator are gone."""
    past = Pipeline(store, now=datetime.now(UTC) - timedelta(seconds=900))
    job_id = await past.submit([f"https://{host}.example.org/" for host in ("a", "b", "c", "d")])
    first, second = await past.scrape(2)
    [request] = await past.apply(past.scraped(first))
    await past.apply(past.chunked(request))
    unsent = past.failed(second)
    await add_dead_letter(store, past.event(unsent), past.now, destination=None, status=503)
    waiting = next(row for row in await past.documents(job_id) if row.state == "pending")
    await hold_domain(store, urlsplit(waiting.url).hostname or "", datetime.now(UTC) + timedelta(seconds=500))
    event = json.dumps({"id": str(uuid4())})
    await store.pool.execute("INSERT INTO outbox (id, event, due_at) VALUES ($1, $2, $3)", uuid4(), event, past.now)
    await store.pool.execute(
        "INSERT INTO webhook_deliveries (id, caller_id, job_id, url, event, next_at, created_at)"
        " VALUES ($1, 'alice', $2, 'https://example.org/', $3, $4, $4)",
        *(uuid4(), job_id, event, past.now),
    )
    await Platform(store, None).refresh()
    found, about = here(), partial(pytest.approx, abs=120)
    states = ("pending", "scraping", "chunking", "embedding")
    assert [found("sluice_documents", state=state) for state in states] == [2, 1, 0, 1]
    stages = ("scrape", "embed")
    assert [found("sluice_ready_documents", stage=stage) for stage in stages] == [2, 1]
    assert [found("sluice_leased_documents", stage=stage) for stage in stages] == [1, 0]
    assert [found("sluice_oldest_ready_seconds", stage=stage) for stage in stages] == [about(900)] * 2
    assert [found("sluice_jobs", state=state) for state in ("accepted", "running")] == [0, 1]
    assert found("sluice_oldest_job_seconds") == about(900)
    assert found("sluice_overdue") == 1
    assert (found("sluice_dead_letters"), found("sluice_webhooks_waiting")) == (1, 1)
    assert found("sluice_outbox_events") == 1
    assert found("sluice_outbox_oldest_seconds") == about(900)
    reasons = ("domain", "domain_slowed", "crawl_delay")
    assert [found("sluice_waiting_domains", reason=reason) for reason in reasons] == [1, 0, 0]
    assert [found("sluice_domain_wait_longest_seconds", rank=rank) for rank in "12"] == [about(500), 0]


async def test_queues_are_told_by_where_their_wake_ups_stand(database: str, tmp_path: Path, redis_url: str) -> None:
    waker = Waker(redis_url, "scrape", "functions.scrape.job.run", slots=4)
    try:
        await waker.wake(0)
        await waker.wake(1)
    finally:
        waker.close()
    async with gateway_on(database, tmp_path, redis_url=redis_url) as (_, client):
        found = numbers((await client.get("/metrics")).text)
    assert found("sluice_queue_jobs", queue="scrape", state="waiting") == 2
    places = {(labels["queue"], labels["state"]) for labels in found.labels("sluice_queue_jobs")}
    assert places == {(q, s) for q in ("scrape", "embed") for s in ("waiting", "running", "scheduled", "failed")}


async def test_without_redis_the_rest_is_told(database: str, tmp_path: Path) -> None:
    nobody = f"redis://127.0.0.1:{closed_port()}/0"
    async with gateway_on(database, tmp_path, redis_url=nobody) as (_, client):
        since = Since()
        found = numbers((await client.get("/metrics")).text)
    assert not found.labels("sluice_queue_jobs")
    assert found.labels("sluice_documents")
    assert since("sluice_platform_read_seconds_count", source="redis", outcome="failed") == 1


async def test_what_reads_what_writes_and_what_is_done_later_are_told_apart(world: World) -> None:
    since = Since()
    await world.client.post(SEARCH, json={"query": "leases", "corpus": "handbook"})
    await world.client.get("/api/orchestrator/jobs")
    await world.client.post("/api/scraper/enqueue", json={"url": "https://example.org/"})
    await world.client.post("/api/chunking/chunk", json={"text": "a text"})
    await until(lambda: since("sluice_gateway_requests_total") == 4)

    def counted(route: str) -> set[tuple[str, str]]:
        found = [labels for labels in here().labels("sluice_gateway_requests_total") if labels["route"] == route]
        return {(labels["operation"], labels["request_mode"]) for labels in found}

    assert counted(SEARCH) == {("read", "sync")}
    assert counted("/api/scraper/enqueue") == {("write", "async")}
    assert counted("/api/chunking/chunk") == {("write", "sync")}
    assert ("read", "sync") in counted("/api/orchestrator/jobs")
    assert since("sluice_gateway_request_seconds_count", operation="read", request_mode="sync") == 2
    assert since.in_seconds("sluice_gateway_request_seconds")
    await until(lambda: here()("sluice_gateway_requests_in_flight") == 0)
