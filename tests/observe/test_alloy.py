"""Alloy's configuration, as far as it can be held without Alloy: syntax, names, references, and what goes where."""

import asyncio
import itertools
from pathlib import Path

import pytest
from httpx import AsyncClient as Client
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import Response

from tests.local_http import asgi, serving, until
from tests.nginx import edge
from tests.observe.alloy import FOLDER, Block, Call, Reference, read, values
from tests.observe.alloy_components import problems
from tests.observe.edge_metrics import exposition

PIPELINE = sorted(FOLDER.glob("*.alloy"))
FROM = sorted((FOLDER / "from").glob("*.alloy"))
TO = sorted((FOLDER / "to").glob("*/to.alloy"))
WHOLE = list(itertools.product(FROM, TO))


def whole(source: str = "docker", to: str = "local") -> list[Block]:
    """What Alloy reads as one: the pipeline, a source, a destination."""
    files = [*PIPELINE, FOLDER / "from" / f"{source}.alloy", FOLDER / "to" / to / "to.alloy"]
    return [component for file in files for component in read(file.read_text())]


def component(key: str, components: list[Block]) -> Block:
    [found] = [each for each in components if each.key == key]
    return found


@pytest.mark.parametrize(("source", "to"), WHOLE, ids=lambda each: each.parent.name + "/" + each.name)
def test_every_source_fits_every_destination(source: Path, to: Path) -> None:
    components = [each for file in (*PIPELINE, source, to) for each in read(file.read_text())]
    assert list(problems(components)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('loki.write "x" { endpoint { url = "a" \n speed = 1 } }', "loki.write.x endpoint: speed is unknown"),
        ('loki.write "x" { endpoint { } }', "loki.write.x endpoint: url is missing"),
        ('loki.process "x" { forward_to = [loki.write.y.z] }', "loki.process.x: there is no loki.write.y.z"),
        ('loki.proces "x" { }', "loki.proces.x is no component"),
        ('pyroscope.write "x" { }\npyroscope.write "x" { }', "pyroscope.write.x twice"),
        ('loki.write "x" { endpoint { send_exemplars = true } }', "loki.write.x endpoint: send_exemplars is unknown"),
        ('discovery.http "x" { refresh_interval = 5 }', "discovery.http.x: refresh_interval is no duration"),
        ('prometheus.scrape "x" { honor_labels = "yes" }', "prometheus.scrape.x: honor_labels is no bool"),
        ('prometheus.scrape "x" { sample_limit = sys.env("A") }', "prometheus.scrape.x: sample_limit is no number"),
        ('loki.process "x" { forward_to = [discovery.http.a.targets] }', "loki.process.x: forward_to is no receivers"),
        ('discovery.http "x" { url = env("A") }', "discovery.http.x: env is no function that is known here"),
    ],
)  # fmt: skip
def test_what_alloy_would_refuse_is_seen(text: str, problem: str) -> None:
    assert problem in list(problems(read(text)))


@pytest.mark.parametrize(
    "text", ["loki.write {", 'a "b" { c = }', 'a "b" { c = 1 \n c = 2 }', "x = 1", 'a "b" { c = ` }']
)
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        read(text)


def test_every_error_is_kept_whenever_it_comes() -> None:
    components = whole()
    sampling = component("otelcol.processor.tail_sampling.documents", components)
    policies = {policy.attributes["name"]: policy for policy in sampling.of("policy")}
    assert policies["errors"].of("status_code")[0].attributes["status_codes"] == ["ERROR"]
    assert policies["failed-documents"].of("string_attribute")[0].attributes["key"] == "failed.stage"
    late = component("otelcol.processor.filter.errors", components)
    assert late.of("trace_conditions")[0].attributes["conditions"] == ["span.status.code != STATUS_CODE_ERROR"]
    sent_to = {str(value.path) for value in values(late) if isinstance(value, Reference)}
    received = component("otelcol.processor.memory_limiter.traces", components)
    assert sent_to == {"otelcol.processor.batch.traces.input"}
    assert {each.path for each in values(received) if isinstance(each, Reference)} == {
        "otelcol.processor.filter.errors.input",
        "otelcol.processor.tail_sampling.documents.input",
    }


def test_what_is_asked_of_alloy_env_is_in_its_example() -> None:
    asked = {
        value.arguments[0]
        for each in whole(to="remote")
        for value in values(each)
        if isinstance(value, Call) and value.function == "sys.env"
    }
    lines = (FOLDER / "to" / "remote" / "alloy.env.example").read_text().splitlines()
    assert asked == {line.split("=")[0] for line in lines if line and line[0] != "#"}


def test_nothing_of_a_request_becomes_a_label_but_what_is_few() -> None:
    for key in ("loki.process.apps", "loki.process.edge"):
        process = component(key, whole())
        labels = {name for stage in process.of("stage.labels") for name in stage.attributes["values"]}
        assert labels <= {"level", "stage", "method", "route", "status"}, key
        metadata = {name for stage in process.of("stage.structured_metadata") for name in stage.attributes["values"]}
        assert {"trace_id", "request_id"} <= metadata, key


async def test_nginx_s_own_log_becomes_metrics_by_route() -> None:
    async def gateway(request: Request) -> Response:
        return Response("no", 404) if "missing" in request.url.path else Response("{}")

    paths = ["/api/orchestrator/jobs/0c7a/documents?secret=1", "/api/embedding/search", "/events", "/nowhere"]
    async with serving(asgi(gateway)) as address, edge(address.removeprefix("http://")) as front, Client() as client:
        for path in paths:
            await client.get(front.url + path)
        sent, seen = len(paths), set[int]()
        while 429 not in seen and sent < 1000:
            answers = await asyncio.gather(*(client.get(f"{front.url}/api/embedding/search") for _ in range(40)))
            sent, seen = sent + len(answers), {answer.status_code for answer in answers}
        await until(lambda: front.log().count(b"\n") == sent)
        told = exposition(front.log().decode().splitlines(), component("loki.process.edge", whole()))
    assert _of(told, "sluice_edge_requests_total", route="api/orchestrator", status="200") == 1
    assert _of(told, "sluice_edge_requests_total", route="events", status="200") == 1
    assert _of(told, "sluice_edge_requests_total", route="other", status="404") == 1
    refused = _of(told, "sluice_edge_requests_total", route="api/embedding", status="429")
    assert refused > 0
    assert _of(told, "sluice_edge_limited_total", route="api/embedding", status="429") == refused
    assert _of(told, "sluice_edge_request_seconds_count", route="api/embedding", status="429") == refused
    assert _of(told, "sluice_edge_upstream_seconds_count", route="events", status="200") == 1
    assert _of(told, "sluice_edge_sent_bytes_total", route="events", status="200") > 100
    assert "0c7a" not in told


def _of(exposition_text: str, name: str, **labels: str) -> float:
    samples = (s for family in text_string_to_metric_families(exposition_text) for s in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())
