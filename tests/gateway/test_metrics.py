"""What the gateway tells of its requests, and of the whole platform."""

import asyncio
from pathlib import Path

from shared.workqueue.wake import Waker
from tests.gateway.conftest import ALICE, World, gateway_on, insert_job
from tests.local_http import closed_port, until
from tests.numbers import Since, here, numbers

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
