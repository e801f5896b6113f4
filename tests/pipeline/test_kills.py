"""Any one process is killed in the middle of a run: every document is indexed, no chunk is lost or doubled."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID, uuid4

import psutil
import pytest
from _pytest.mark.structures import ParameterSet

from observe import tracing
from tests.fakes.otlp import ArrivedSpan
from tests.pipeline.books import check, index_of
from tests.pipeline.conftest import Troubled
from tests.pipeline.platform import Platform, eventually, eventually_async
from tests.pipeline.world import Dam, Endpoint, Web

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

PARSER = "functions.scrape.parser"
Victim = Callable[[Platform], list[psutil.Process]]


def worker(name: str) -> Victim:
    return lambda platform: platform.replicas(name)


def horse(name: str) -> Victim:
    """The process that RQ forked for a wake-up."""

    def find(platform: Platform) -> list[psutil.Process]:
        children = [child for parent in platform.replicas(name) for child in parent.children()]
        return [child for child in children if PARSER not in child.cmdline()]

    return find


def parser(platform: Platform) -> list[psutil.Process]:
    children = [child for parent in platform.replicas("scrape-worker") for child in parent.children()]
    return [child for child in children if PARSER in child.cmdline()]


def service(name: str) -> Victim:
    return lambda platform: [platform.service(name)]


async def kill(platform: Platform, victim: Victim) -> None:
    platform.remember()
    found = await eventually(lambda: victim(platform), 10)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    await asyncio.to_thread(psutil.wait_procs, found, 5)


BUSY_SCRAPING = {
    "scrape-worker": worker("scrape-worker"),
    "scrape horse": horse("scrape-worker"),
    "parser": parser,
    "redis": service("redis"),
    "postgres": service("postgres"),
}
BUSY_EMBEDDING = {
    "embed-worker": worker("embed-worker"),
    "embed horse": horse("embed-worker"),
}
SHORT_WORK = {name: worker(name) for name in ("orchestrator", "chunk", "gateway", "scrape", "embed")}
ALWAYS = ("scrape horse", "redis", "orchestrator")


def each_of(victims: dict[str, Victim]) -> list[ParameterSet]:
    """A few each time, the others with `--long`."""
    return [pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.long) for name in victims]


@pytest.mark.parametrize("victim", each_of(BUSY_SCRAPING))
async def test_killed_with_pages_in_hand(victim: str, troubled: Troubled, site: Web) -> None:
    site.dam.close(free=10)
    job_id, corpus = await _begin(troubled.platform, site)
    await _until_held(site.dam)
    killed_s = time.time()
    await kill(troubled.platform, BUSY_SCRAPING[victim])
    await site.dam.open()
    await _all_is_well(troubled, job_id, corpus)
    if victim in ("scrape horse", "scrape-worker"):
        await _waits_are_told(troubled, job_id, killed_s)


@pytest.mark.parametrize("victim", each_of(BUSY_EMBEDDING))
async def test_killed_with_texts_in_hand(victim: str, troubled: Troubled, site: Web, model: Endpoint) -> None:
    model.dam.close(free=2)
    try:
        job_id, corpus = await _begin(troubled.platform, site)
        await _until_held(model.dam)
        await kill(troubled.platform, BUSY_EMBEDDING[victim])
    finally:
        await model.dam.open()
    await _all_is_well(troubled, job_id, corpus)


@pytest.mark.parametrize("victim", each_of(SHORT_WORK))
async def test_killed_again_and_again_while_events_pass(victim: str, troubled: Troubled, site: Web) -> None:
    site.dam.close(free=4)
    job_id, corpus = await _begin(troubled.platform, site)
    for enough in (1, 8, 16, 24):
        await _until_scraped(troubled.platform, job_id, enough)
        await site.dam.let(8)
        await kill(troubled.platform, SHORT_WORK[victim])
    await site.dam.open()
    await _all_is_well(troubled, job_id, corpus)


@pytest.mark.long
async def test_the_whole_platform_is_killed_and_started_again(troubled: Troubled, site: Web) -> None:
    site.dam.close(free=10)
    job_id, corpus = await _begin(troubled.platform, site)
    await _until_held(site.dam)
    await kill(troubled.platform, lambda platform: [psutil.Process(platform.pid)])
    await eventually(lambda: not troubled.platform.left_behind(), 20, "its children outlive it")
    await site.dam.open()
    await troubled.platform.up()
    await _all_is_well(troubled, job_id, corpus)


async def _begin(platform: Platform, site: Web) -> tuple[str, str]:
    corpus = f"killed-{uuid4().hex}"
    return await platform.submit(site.urls, corpus), corpus


async def _until_held(dam: Dam) -> None:
    async def held() -> bool:
        return dam.held > 0

    await eventually_async(held, 60)


async def _waits_are_told(troubled: Troubled, job_id: str, killed_s: float) -> None:
    """Of each document that was in hand: from its claim until somebody noticed, in its own trace; and its one root."""
    lost = await troubled.platform.rows(
        "SELECT document_id, failed_at FROM failures WHERE job_id = $1 AND code = 'lease_expired'", UUID(job_id)
    )
    assert lost, "a lease ran out"

    def told(name: str) -> list[ArrivedSpan]:
        return [span for span in troubled.takes.spans if (span.name, span.attributes.get("job.id")) == (name, job_id)]

    documents = len(await troubled.platform.documents(job_id))
    await eventually(lambda: len(told("lease wait")) == len(lost) and len(told("document")) == documents, 30)
    waits = told("lease wait")
    noticed = sorted(row["failed_at"].timestamp() for row in lost)
    assert sorted(span.ended_s for span in waits) == pytest.approx(noticed, abs=0.001)
    for span in waits:
        assert span.parent_id == tracing.document(UUID(span.trace_id)).span_id
        assert (span.failed, span.attributes["error.type"]) == (True, "lease_expired")
    assert any(span.began_s <= killed_s <= span.ended_s for span in waits)
    assert len({span.trace_id for span in told("document")}) == documents


async def _until_scraped(platform: Platform, job_id: str, enough: int) -> None:
    async def scraped() -> bool:
        [row] = await platform.rows(
            "SELECT count(*) AS n FROM documents WHERE job_id = $1 AND state NOT IN ('pending', 'scraping')", job_id
        )
        return bool(row["n"] >= enough)

    await eventually_async(scraped, 60)


async def _all_is_well(troubled: Troubled, job_id: str, corpus: str) -> None:
    platform = troubled.platform
    await platform.finish(job_id, 90)
    documents = await platform.documents(job_id)
    assert [(d["url"], d["error_code"]) for d in documents if d["status"] != "indexed"] == []
    await check(platform, job_id)
    assert await index_of(platform, corpus) == troubled.reference
