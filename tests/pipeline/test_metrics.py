"""The numbers of a whole platform: each moves with what happens, and none grows with what callers make up."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest

from tests.docs.test_metrics import listed
from tests.fakes.site import article
from tests.numbers import OPEN_METRICS, Numbers, scraped
from tests.pipeline.platform import Platform, eventually_async
from tests.pipeline.world import Web, web

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Every word that a caller chooses here has it in it.
MARK = "zqxw"
# What one process may have at most, the buckets of a histogram counted as one.
MOST_SERIES = 400
JOBS = "/api/orchestrator/jobs"

# What moves on every healthy run that indexes pages and searches them.
MOVED = (
    *("sluice_function_requests_total", "sluice_function_request_seconds_count", "sluice_function_cold_start_seconds"),
    *("sluice_worker_wake_ups_total", "sluice_worker_busy_seconds_total", "sluice_worker_cpu_seconds_total"),
    *("sluice_document_seconds_count", "sluice_job_seconds_count", "sluice_document_tries_total"),
    *("sluice_published_events_total", "sluice_stage_seconds_count", "sluice_sweeps_total"),
    *("sluice_fetches_total", "sluice_fetch_seconds_count", "sluice_fetched_bytes_total"),
    *("sluice_extraction_seconds_count", "sluice_embedding_requests_total", "sluice_embedding_request_seconds_count"),
    *("sluice_embedding_tokens_total", "sluice_embedding_batch_fill_ratio_count", "sluice_search_seconds_count"),
    *("sluice_embedding_batch_wait_seconds_count", "sluice_embedding_requests_allowed", "sluice_search_scans_total"),
    *("sluice_gateway_requests_total", "sluice_gateway_request_seconds_count", "sluice_rate_limit_decisions_total"),
    *("sluice_membership_lookups_total", "sluice_membership_requests_total", "sluice_platform_read_seconds_count"),
    *(
        "gateway_function_invocation_total",
        "gateway_functions_seconds_count",
        "sluice_emulator_cold_start_seconds_count",
    ),
    *("sluice_emulator_replicas", "gateway_service_count", "process_cpu_seconds_total"),
)


async def everybody(platform: Platform, accept: str = "*/*") -> Mapping[str, Numbers]:
    """What each process tells now, by its name and replica."""

    def scrape() -> dict[str, Numbers]:
        url = f"http://127.0.0.1:{platform.port}/observe/targets"
        groups = httpx.get(url, trust_env=False).json()
        found = {}
        for group in groups:
            try:
                found[group["labels"]["instance"]] = scraped(f"http://{group['targets'][0]}", accept)
            except httpx.TransportError:  # it has just gone, as replicas do
                continue
        return found

    return await asyncio.to_thread(scrape)


class Sum:
    """Of all processes together."""

    def __init__(self, told: Mapping[str, Numbers]) -> None:
        self._told = told

    def __call__(self, name: str, **labels: str) -> float:
        return sum(found(name, **labels) for found in self._told.values())


def series_of(found: Numbers) -> set[str]:
    """The buckets of a histogram are one."""
    series = ((sample.name, {**sample.labels, "le": ""}) for sample in found.samples)
    return {f"{name} {sorted(labels.items())}" for name, labels in series}


async def test_every_number_of_a_healthy_run_moves(calm: Platform, site: Web) -> None:
    job_id = await calm.submit(site.urls, "metrics")
    documents = len(site.urls)
    await calm.finish(job_id)
    assert await calm.search("a lock and its keeper", "metrics")

    missing: list[str] = []

    async def told() -> Sum | None:
        """Wake-ups tell a last time when they end, a moment after their last document."""
        total = Sum(await everybody(calm))
        missing[:] = [name for name in MOVED if not total(name)]
        return None if missing else total

    total = await eventually_async(told, 60, lambda: f"did not move: {missing}")
    for stage in ("scrape", "chunk", "embed"):
        assert total("sluice_document_tries_total", stage=stage, outcome="passed") >= documents
        assert total("sluice_stage_seconds_count", stage=stage, outcome="passed") >= documents
    assert total("sluice_fetches_total", request_mode="async", outcome="2xx") >= documents
    assert total("sluice_embedding_tokens_total", operation="write", request_mode="async") > 0
    assert total("sluice_embedding_requests_total", operation="read", request_mode="sync") > 0


async def test_each_format_says_the_same_names_and_each_is_on_the_page(calm: Platform) -> None:
    page = set(listed())
    plain, open_metrics = await everybody(calm), await everybody(calm, OPEN_METRICS)
    assert {"emulator", "gateway"} <= {name.rpartition("-")[0] or name for name in plain} | set(plain)
    for replica in plain.keys() & open_metrics.keys():
        for found in (plain[replica], open_metrics[replica]):
            names = {family.name for family in found.families}
            ours = {name for name in names if not name.startswith("process_")}
            assert {name for name in ours if name not in page and f"{name}_total" not in page} == set(), replica


async def test_nothing_that_callers_make_up_becomes_a_label_or_a_series(calm: Platform) -> None:
    pages = {f"/{MARK}-{n}": article(f"{MARK} {n}") for n in range(12)}
    async with web(pages) as site:
        await _made_up(calm, site, 0)
        first = await everybody(calm)
        await _made_up(calm, site, 1)
        second = await everybody(calm)
    for replica, found in second.items():
        series = series_of(found)
        assert len(series) <= MOST_SERIES, replica
        words = {word for sample in found.samples for word in sample.labels.values()}
        assert not {word for word in words if MARK in word or "127.0.0.1" in word}, replica
        assert found("sluice_metrics_overflows_total") == 0
        if replica in first:
            new = series - series_of(first[replica])
            assert len(new) <= 30, f"{replica}: as much again made {sorted(new)}"


async def _made_up(calm: Platform, site: Web, turn: int) -> None:
    """Keys, paths, methods, hosts, corpora, codes, ids, events and questions by the dozen, each another one."""
    urls = [f"{site.url(path)}?{MARK}={turn}" for path in site.site.pages if path != "/robots.txt"]
    urls += [f"http://{MARK}-{turn}-{n}.invalid/{MARK}" for n in range(12)]
    job_id = await calm.submit(urls, f"{MARK}-{turn}")
    async with _client(calm) as client:
        for n in range(12):
            word = f"{MARK}{turn}{n}"
            await _ask(client, "GET", JOBS, headers={"X-API-Key": f"slk_{word}"})
            await _ask(client, f"{word.upper()}", f"/api/{word}", headers={"X-Request-Id": word})
            await _ask(client, "GET", f"/{word}/{word}?{word}={word}", headers={"User-Agent": word})
            await _ask(client, "DELETE", f"/api/corpora/{word}")
            await _ask(client, "POST", "/api/embedding/search", json={"query": word, "corpus": word})
            await _ask(client, "POST", "/api/scraper/scrape", json={"url": f"http://{word}.invalid/"})
            await _ask(client, "POST", f"{JOBS}/{job_id}/complete", json={"stage": word, "error_code": word})
            event = {"specversion": "1.0", "id": word, "source": f"/{word}", "type": f"dev.{word}.v1"}
            await _ask(
                client,
                "POST",
                "/events",
                data=json.dumps(event),
                headers={"Content-Type": "application/cloudevents+json"},
            )
    await calm.finish(job_id)


async def _ask(client: aiohttp.ClientSession, method: str, path: str, **asked: Any) -> None:
    """Whatever the answer is: it is read to its end, so that its connection is free again."""
    async with client.request(method, path, **asked) as answer:
        await answer.read()


@asynccontextmanager
async def _client(calm: Platform) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"X-API-Key": (calm.folder / "api-key").read_text().strip()}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{calm.port}", headers=headers) as session:
        yield session
