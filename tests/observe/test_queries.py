"""Every query of the dashboards and rules, asked of a real Prometheus that scraped a platform at work."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from httpx import AsyncClient
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tests.local_http import asgi, closed_port, serving
from tests.nginx import edge
from tests.observe.edge_metrics import exposition
from tests.observe.expressions import Expression, alerts, of_dashboards, of_rules, recorded, variables
from tests.observe.stages import Entry, processed
from tests.observe.test_alloy import component, whole
from tests.pipeline.platform import Platform, eventually_async, platform
from tests.pipeline.world import Web, endpoint, web
from tests.prometheus import RULES, Prometheus, program, prometheus

# What Grafana puts in: a scrape here takes place every second.
VARIABLES = {"$__rate_interval": "1m", "$__range": "5m", "$function": ".*"}
SETTINGS = {
    "SLUICE_IDLE_SECONDS": "300",
    "VECTOR_INDEX_THRESHOLD": "5",
    "SEARCH_RECALL_SAMPLE": "1",
    "SCRAPE_DOMAIN_DELAY_SECONDS": "0.02",
}
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Observed:
    platform: Platform
    prometheus: Prometheus


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def observed() -> AsyncIterator[Observed]:
    program("prometheus")
    async with (
        endpoint() as model,
        web() as site,
        platform(EMBEDDING_API_BASE_URL=model.url, OTEL_EXPORTER_OTLP_ENDPOINT=_nobody(), **SETTINGS) as running,
        _edge_metrics(running) as of_the_edge,
        prometheus(_configuration(running.port, of_the_edge)) as server,
    ):
        # What a counter counts before it is first scraped is no increase: so once to be there, and once to count.
        await _work(running, site, "first")
        await eventually_async(lambda: _ended(server), PATIENCE_S)
        await _work(running, site, "second")
        yield Observed(running, server)


def _nobody() -> str:
    return f"http://127.0.0.1:{closed_port()}"


pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]


async def _ended(server: Prometheus) -> bool:
    return bool(await server.query("sluice_document_seconds_count"))


async def _work(running: Platform, site: Web, corpus: str) -> None:
    """Pages that are indexed and some that are not, questions, and requests that are refused."""
    odd = [site.url(path) for path in ("/status/404", "/private/plans", "/image")]
    await running.run([*site.urls[:8], *odd], corpus, timeout_s=PATIENCE_S)
    for question in ("how does a lock work", "what is a weir"):
        await running.search(question, corpus)
    await running.ask("POST", "/api/scraper/scrape", {"url": site.urls[0]})
    await running.ask("POST", "/api/embedding/embed", {"texts": ["a lock"]})
    await running.ask("GET", "/api/orchestrator/jobs/nonsense")


@asynccontextmanager
async def _edge_metrics(running: Platform) -> AsyncIterator[str]:
    """What Alloy would tell of an nginx before this platform, at its address."""
    async with edge(f"127.0.0.1:{running.port}") as front:
        async with AsyncClient(headers={"X-API-Key": running.api_key}) as client:
            for _ in range(3):
                await client.get(f"{front.url}/api/orchestrator/jobs")

        async def told(request: Request) -> Response:
            lines = (await asyncio.to_thread(front.log)).decode().splitlines()
            return PlainTextResponse(exposition(lines, component("loki.process.edge", whole())))

        async with serving(asgi(told)) as address:
            yield address.removeprefix("http://")


def _configuration(port: int, of_the_edge: str) -> dict[str, Any]:
    discovered = {"url": f"http://127.0.0.1:{port}/observe/targets", "refresh_interval": "1s"}
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": "sluice", "http_sd_configs": [discovered]},
            {"job_name": "alloy", "static_configs": [{"targets": [of_the_edge]}]},
        ],
        "rule_files": [str(file) for file in RULES],
    }


def asked(expression: Expression) -> str:
    text = expression.text
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    return text


async def without_data(observed: Observed, expressions: list[Expression]) -> list[str]:
    """Where they stand, after as long as the slowest of them may take to have some: a search is compared only once in a
    while, so searching goes on meanwhile."""
    until = asyncio.get_running_loop().time() + PATIENCE_S
    missing = expressions
    while missing and asyncio.get_running_loop().time() < until:
        missing = [each for each in missing if not await observed.prometheus.query(asked(each))]
        if missing:
            await observed.platform.search("what is a weir", "second")
            await asyncio.sleep(0.5)
    return [f"{each.where}: {each.text}" for each in missing]


async def test_every_query_of_every_dashboard_has_data(observed: Observed) -> None:
    """Of alerts there should be none."""
    of_alerts = [each for each in of_dashboards() if each.metrics == {"ALERTS"}]
    for each in of_alerts:
        await observed.prometheus.query(asked(each))
    others = [each for each in of_dashboards() if each not in of_alerts]
    assert await without_data(observed, others) == []
    assert not [each for each in of_dashboards() if "$" in asked(each)], "a variable that nothing is put in for"


async def test_every_variable_has_values_and_each_of_them_data(observed: Observed) -> None:
    for where, metric, label in variables():
        values = await observed.prometheus.get(f"label/{label}/values", **{"match[]": metric})
        assert set(values) >= {"orchestrator", "chunk", "search"}, where


async def test_every_recording_rule_records(observed: Observed) -> None:
    names = [Expression(name, name) for name in sorted(recorded())]
    assert await without_data(observed, names) == []


async def test_every_alert_can_be_asked_and_none_fires_on_a_platform_that_is_well(observed: Observed) -> None:
    for each in of_rules():
        await observed.prometheus.query(each.text)
    groups = (await observed.prometheus.get("rules", type="alert"))["groups"]
    states = {rule["name"]: (rule["health"], rule["state"]) for group in groups for rule in group["rules"]}
    assert states.keys() == {rule["alert"] for rule in alerts()}
    assert {name for name, (health, _) in states.items() if health == "err"} == set()
    assert {name for name, (_, state) in states.items() if state == "firing"} == set()


async def test_everything_that_runs_is_scraped(observed: Observed) -> None:
    """Each function that has a replica, by its name; whoever answers to nobody is left out by nobody."""
    running = {each["name"] for each in observed.platform.status()["functions"] if each["replicas"]}
    up = {each["metric"]["job"] for each in await observed.prometheus.query("up == 1")}
    assert up >= running | {"emulator"}
    assert {each["metric"]["job"] for each in await observed.prometheus.query("up == 0")} == set()


async def test_a_jobs_lines_reach_loki_with_what_they_are_found_by(observed: Observed) -> None:
    """As Alloy sends them from a laptop: few labels, and the job, the trace and the event as metadata of each line."""
    entries = [each for file in (observed.platform.folder / "logs").glob("*.log") for each in _as_sent(file)]
    assert {label for entry in entries for label in entry.labels} == {"instance", "service_name", "level", "stage"}
    services = {entry.labels["service_name"] for entry in entries}
    assert services >= {"gateway", "orchestrator", "emulator", "postgres"}
    [job_id] = [e.metadata["job_id"] for e in entries if e.metadata.get("action") == "job.submitted"][:1]
    of_job = [entry.metadata for entry in entries if entry.metadata.get("job_id") == job_id]
    ends = {"document_indexed", "document_failed", "job_completed_with_errors"}
    assert {each["action"] for each in of_job} >= {"job.submitted", "try_failed"} | ends
    assert {each["code"] for each in of_job if each["action"] == "try_failed"} >= {"http_404", "robots_disallowed"}
    assert all(re.fullmatch("[0-9a-f]{32}", each["trace_id"]) for each in of_job)


def _as_sent(file: Path) -> list[Entry]:
    stages = [component(f"loki.process.{name}", whole("laptop")) for name in ("lines", "apps")]
    return [processed(Entry(line, {"filename": str(file)}), *stages) for line in file.read_text().splitlines()]


async def test_a_curve_leads_to_a_trace(observed: Observed) -> None:
    """Exemplars: what Grafana's points on a curve are."""
    span = {"start": "0", "end": "4102444800"}
    found = await observed.prometheus.get("query_exemplars", query="sluice_gateway_request_seconds_bucket", **span)
    traces = {each["labels"]["trace_id"] for series in found for each in series["exemplars"]}
    assert traces
    assert all(re.fullmatch("[0-9a-f]{32}", trace) for trace in traces)
