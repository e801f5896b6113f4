"""Every process of a platform tells a real receiver what it did: a document is one trace, from POST to vector."""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio

from observe import tracing
from observe.sampling import Sampler
from observe.vocabulary import NAMES, strangers
from tests.fakes.otlp import ArrivedSpan, Receiver, receiver
from tests.pipeline.conftest import WORKER_KEY
from tests.pipeline.platform import Platform, eventually, platform
from tests.pipeline.world import Endpoint, Web

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

SOON_S = 60.0
EMBEDDING_KEY = "sk-the-key-of-the-model"
# Where a page's time goes, stage by stage. What a page has in common with others (a claim, a batch) is linked to it.
JOURNEY = {
    "document",
    "queue wait",
    "scrape",
    "fetch",
    "extract",
    "object put",
    "publish document.scraped",
    "document.scraped",
    "chunk.requested",
    "document.chunked",
    "object get",
    "embed",
    "embeddings",
    "index.replace_chunks",
    "publish document.embedded",
    "document.embedded",
    "transitions.move",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(model: Endpoint) -> AsyncIterator[tuple[Platform, Receiver]]:
    """A platform whose traces somebody takes."""
    key_hash = hashlib.sha256(WORKER_KEY.encode()).hexdigest()
    async with receiver() as takes:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": takes.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        settings |= {"EMBEDDING_API_KEY": EMBEDDING_KEY}
        settings |= {
            "SERVICE_VERSION": "abc123",
            "DEPLOYMENT_ENVIRONMENT": "staging",
            "ORCHESTRATOR_KEY_HASH": key_hash,
        }
        async with platform(EMBEDDING_API_BASE_URL=model.url, **settings) as made:
            yield made, takes


async def test_a_document_is_one_trace_from_the_post_to_the_vector(
    watched: tuple[Platform, Receiver], site: Web
) -> None:
    up, takes = watched
    job_id = await up.submit([site.url("/pound-lock"), site.url("/glossary")], "traces")
    await up.finish(job_id, 120)
    documents = await up.documents(job_id)
    for document in documents:
        trace = await _whole(takes, document["document_id"])
        _one_family(trace)
        _required_attributes(trace, job_id, document["url"])
        _in_order(trace)
        _begins_with_the_post(trace, takes, job_id)
    _wake_ups_are_linked(takes, [UUID(document["document_id"]).hex for document in documents])
    assert not [span.name for span in takes.spans if strangers(span.attributes)]
    services = {span.service for span in takes.spans}
    assert {"gateway", "orchestrator", "scrape", "scrape-worker", "chunk", "embed", "embed-worker"} <= services
    for span in takes.spans:
        assert (span.resource["service.version"], span.resource["deployment.environment"]) == ("abc123", "staging")


async def _whole(takes: Receiver, document_id: str) -> list[ArrivedSpan]:
    trace_id = UUID(document_id).hex

    def names() -> set[str]:
        return {span.name for span in takes.of(trace_id)}

    def complete() -> bool:
        known = {span.span_id for span in takes.of(trace_id)}
        return names() >= JOURNEY and all(span.parent_id in known for span in takes.of(trace_id) if span.parent_id)

    await eventually(complete, SOON_S, lambda: f"missing: {sorted(JOURNEY - names())}, or a parent")
    return takes.of(trace_id)


def _one_family(trace: Sequence[ArrivedSpan]) -> None:
    """One root, and everybody's parent is there: across six processes and two forks."""
    by_id = {span.span_id: span for span in trace}
    assert len(by_id) == len(trace)
    [root] = [span for span in trace if span.parent_id is None]
    assert (root.name, root.span_id) == ("document", tracing.document(UUID(root.trace_id)).span_id)
    assert {span.parent_id for span in trace} - {None} <= by_id.keys()

    def parent(name: str) -> str:
        [found] = {by_id[str(span.parent_id)].name for span in trace if span.name == name}
        return found

    assert parent("scrape") == parent("embed") == parent("queue wait") == "document"
    assert parent("fetch") == "scrape"
    assert parent("publish document.scraped") == "scrape", "the report is a child of the worker's span"
    assert parent("publish document.embedded") == parent("embeddings") == "embed"
    assert parent("document.scraped") == "scrape"
    assert parent("chunk.requested") == "document.scraped"
    assert parent("document.chunked") == "chunk.requested"
    assert parent("document.embedded") == "embed"


def _required_attributes(trace: Sequence[ArrivedSpan], job_id: str, url: str) -> None:
    stages = {"scrape": "scrape", "embed": "embed", "chunk.requested": "chunk"}
    for span in trace:
        assert (span.attributes.get("job.id"), span.attributes.get("job.url")) == (job_id, url), span.name
        if span.name in stages:
            assert span.attributes["job.stage"] == stages[span.name]
        if span.name == "queue wait":
            assert span.attributes["queue.name"] in ("scrape", "embed")
        if span.name == "embeddings":
            assert span.attributes["operation"] == "write"
            assert span.attributes["embedding.model"]
            assert isinstance(span.attributes["embedding.tokens"], int)
        assert span.attributes.keys() <= NAMES


def _in_order(trace: Sequence[ArrivedSpan]) -> None:
    began = {span.name: span.began_s for span in trace}
    order = ["document", "scrape", "fetch", "document.scraped", "chunk.requested", "document.chunked", "embed"]
    assert [*order, "document.embedded"] == sorted([*order, "document.embedded"], key=lambda name: began[name])


def _begins_with_the_post(trace: Sequence[ArrivedSpan], takes: Receiver, job_id: str) -> None:
    """The document is linked to what the orchestrator did with the submission, in the trace of the POST."""
    [(trace_id, span_id)] = next(span for span in trace if span.name == "document").links
    submission = {span.span_id: span for span in takes.of(trace_id)}
    linked = submission[span_id]
    assert (linked.name, linked.kind, linked.service) == ("POST /api/orchestrator/jobs", "server", "gateway")
    assert linked.attributes["job.id"] == job_id
    assert linked.attributes["http.request_id"]
    assert (linked.attributes["request.mode"], linked.attributes["caller.type"]) == ("async", "user")
    assert (linked.attributes["http.route"], linked.attributes["http.response.status_code"]) == (
        "/api/orchestrator/jobs",
        202,
    )
    names = {span.name for span in submission.values()}
    assert {"job.submitted", "publish job.submitted", "publish scrape.requested", "scrape.requested"} <= names
    assert {"wake scrape", "wake-up wait", "wake-up scrape", "claim", "redis EVALSHA"} <= names
    assert all(span.attributes.get("job.id", job_id) == job_id for span in submission.values())


def _wake_ups_are_linked(takes: Receiver, documents: Sequence[str]) -> None:
    by_id = {span.span_id: span for span in takes.spans}
    for name in ("scrape", "embed"):
        for span in (span for span in takes.spans if span.name == name and span.trace_id in documents):
            [(_, wake_up)] = span.links
            assert by_id[wake_up].name == f"wake-up {name}"
            assert by_id[str(by_id[wake_up].parent_id)].name == f"wake {name}", "sent and run, as parent and child"
    batches = [span for span in takes.spans if span.name == "embedding batch"]
    assert {trace_id for span in batches for trace_id, _ in (*span.links, (span.trace_id, ""))} >= set(documents)


async def test_a_cold_start_that_somebody_waited_for_is_a_span(watched: tuple[Platform, Receiver], site: Web) -> None:
    """The platform was at zero when the first job came."""
    up, takes = watched
    await up.run([site.url("/pound-lock")], "traces", 120)
    found = await eventually(lambda: [span for span in takes.spans if span.name == "cold start"], SOON_S)
    assert {span.service for span in found} & {"scrape", "chunk", "embed", "scrape-worker", "embed-worker"}
    assert all(span.parent_id and 0 < span.ended_s - span.began_s < SOON_S for span in found)


async def test_a_page_that_fails_says_where_and_why(watched: tuple[Platform, Receiver], site: Web) -> None:
    up, takes = watched
    [document] = await up.run([site.url("/status/404")], "traces")
    trace_id = UUID(document["document_id"]).hex
    await eventually(lambda: {"document", "scrape"} <= {span.name for span in takes.of(trace_id)}, SOON_S)
    failed = {span.name: span for span in takes.of(trace_id) if span.name in ("document", "scrape")}
    for span in failed.values():
        assert span.failed
        assert (span.attributes["error.type"], span.attributes["failed.stage"]) == ("http_404", "scraping")
    await _goes_again(up, takes, document["document_id"], failed["document"])


async def _goes_again(up: Platform, takes: Receiver, document_id: str, root: ArrivedSpan) -> None:
    """In the same trace, below a span of its own."""
    [job_id] = {str(span.attributes["job.id"]) for span in takes.of(root.trace_id)}
    await up.call("POST", f"/api/orchestrator/jobs/{job_id}/replay", {})
    await up.finish(job_id)
    [replay] = await eventually(lambda: [span for span in takes.of(root.trace_id) if span.name == "replay"], SOON_S)
    assert (replay.parent_id, replay.failed, replay.attributes["error.type"]) == (root.span_id, True, "http_404")
    assert replay.began_s > root.ended_s

    def below() -> set[str]:
        return {span.name for span in takes.of(root.trace_id) if span.parent_id == replay.span_id}

    await eventually(lambda: {"scrape", "queue wait"} <= below(), SOON_S, lambda: f"only {below()}")
    assert len([span for span in takes.of(root.trace_id) if span.name == "document"]) == 1
    [(asked, _)] = replay.links
    assert "POST /api/orchestrator/jobs/{job_id}/replay" in {span.name for span in takes.of(asked)}


async def test_a_search_is_a_trace_that_reads(watched: tuple[Platform, Receiver], site: Web) -> None:
    up, takes = watched
    await up.run([site.url("/pound-lock")], "searched")
    caller = {"traceparent": f"00-{'5' * 32}-{'6' * 16}-01", "X-Request-Id": "asked-by-a-test"}
    headers = {"X-API-Key": (up.folder / "api-key").read_text().strip(), **caller}
    url = f"http://127.0.0.1:{up.port}/api/embedding/search"
    question = {"query": "a lock", "corpus": "searched", "k": 2}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=question) as answer:
        assert answer.status == 200
    wanted = {"POST /api/embedding/search", "call search", "search", "nearest passages", "embed query"}
    wanted |= {"embeddings request", "search.find_corpus"}

    def names() -> set[str]:
        return {span.name for span in takes.of("5" * 32)}

    await eventually(lambda: names() >= wanted, SOON_S, lambda: f"missing: {sorted(wanted - names())} of {names()}")
    spans = {span.name: span for span in takes.of("5" * 32)}
    assert spans["POST /api/embedding/search"].parent_id == "6" * 16
    assert spans["POST /api/embedding/search"].attributes["http.request_id"] == "asked-by-a-test"
    assert spans["search"].attributes["http.request_id"] == "asked-by-a-test"
    nearest = spans["nearest passages"].attributes
    assert (nearest["operation"], nearest["search.top_k"], nearest["corpus.name"]) == ("read", 2, "searched")
    assert nearest["job.stage"] == "read"
    assert spans["search"].parent_id == spans["call search"].span_id


async def test_the_report_of_a_worker_outside_is_a_child_of_its_span(
    watched: tuple[Platform, Receiver], site: Web
) -> None:
    up, takes = watched
    site.dam.close()
    try:
        job_id = await up.submit([site.url("/glossary")], "outside")
        await eventually(lambda: site.dam.held, SOON_S)
        [document] = await up.documents(job_id)
        body = {"stage": "scraping", "status": "failed", "error_code": "http_404", "error_message": "gone"}
        worker = {"traceparent": f"00-{UUID(document['document_id']).hex}-{'7' * 16}-01", "X-API-Key": WORKER_KEY}
        url = f"http://127.0.0.1:{up.port}/api/orchestrator/jobs/{job_id}/complete"
        async with aiohttp.ClientSession(headers=worker) as session, session.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()
    finally:
        await site.dam.open()
    name = "POST /api/orchestrator/jobs/{job_id}/complete"
    trace_id = UUID(document["document_id"]).hex
    [callback] = await eventually(lambda: [span for span in takes.of(trace_id) if span.name == name], SOON_S)
    assert callback.parent_id == "7" * 16
    assert callback.attributes["job.id"] == job_id
    await eventually(lambda: [span for span in takes.of(trace_id) if span.name == "stage.failed"], SOON_S)
    await up.finish(job_id)


async def test_nothing_waits_for_a_receiver_that_is_down(watched: tuple[Platform, Receiver], site: Web) -> None:
    up, takes = watched
    takes.status = 503
    try:
        [document] = await up.run([site.url("/pound-lock")], "unwatched")
        assert document["status"] == "indexed"
    finally:
        takes.status = 200


async def test_no_secret_is_told_anywhere(watched: tuple[Platform, Receiver], site: Web, model: Endpoint) -> None:
    """Fed through every door, and looked for in every log, span, event, row and answer."""
    up, takes = watched
    key = (up.folder / "api-key").read_text().strip()
    planted = [f"slk_planted-{n}-{'x' * 20}" for n in range(3)]
    address = f"http://127.0.0.1:{up.port}"
    page = site.url(f"/pound-lock?lang=en&api_key={planted[0]}")
    doors: list[tuple[str, dict[str, str], object]] = [
        (
            "/api/orchestrator/jobs",
            {"X-API-Key": planted[1], "Authorization": f"Bearer {planted[2]}"},
            {"urls": [page]},
        ),
        ("/api/orchestrator/jobs", {"X-API-Key": key}, {"urls": [f"https://user:{planted[1]}@example.org/"]}),
        ("/api/orchestrator/jobs", {"X-API-Key": key}, {"urls": [page], "webhook": {"url": f"http://{planted[2]}"}}),
        ("/events", {"X-API-Key": key, "ce-id": planted[1], "ce-type": "x"}, {"secret": planted[2]}),
        ("/function/search", {"X-API-Key": planted[1]}, {"query": "x"}),
        ("/function/search", {"X-API-Key": key, "Authorization": f"Bearer {planted[2]}"}, {"corpus": planted[1]}),
        ("/function/chunk", {"ce-id": "1", "ce-type": "x", "authorization": f"Basic {planted[1]}"}, {"a": planted[2]}),
        ("/function/membership/auth", {"X-API-Key": planted[2]}, {}),
    ]
    answers = []
    webhook = await up.call("GET", "/api/webhooks/secret")
    async with aiohttp.ClientSession() as session:
        for path, headers, body in doors:
            async with session.post(address + path, headers=headers, json=body) as answer:
                answers.append(await answer.text())
                assert 400 <= answer.status < 500, (path, answer.status, answers[-1])
    async with model.behaving("500"):
        job_id = await up.submit([page], "secrets")
        await eventually(lambda: [span for span in takes.spans if span.failed and span.name == "embed"], SOON_S)
    await up.finish(job_id, 120)
    commands = (["jobs"], ["status"], ["keys", "list"], ["logs", "embed-worker"])
    answers += [(await up.sluice(*command))[1] for command in commands]

    told = {str(file.relative_to(up.folder.parent)): _text(file) for file in _written(up)}
    assert any("/redis/" in name for name in told), "Redis keeps every command that it was given"
    told["spans"] = repr(takes.spans)
    told["answers"] = "\n".join(answers)
    tables = await up.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in (row["tablename"] for row in tables):
        found = await up.rows(f'SELECT t::text AS row FROM "{table}" t')
        told[f"table {table}"] = "\n".join(row["row"] for row in found)
    kept = [file for file in (up.folder / "secrets").iterdir() if file.name != "basic-auth-user"]
    kept += [up.folder / "api-key"]
    secrets = {line for file in kept for line in file.read_text().split()} | {*planted, WORKER_KEY, EMBEDDING_KEY}
    secrets.add(webhook["secret"].removeprefix("whsec_"))
    # The address of a page is what it is: it stands where pages are kept, and travels with them.
    holders = {secret: {name for name, text in told.items() if secret in text} for secret in secrets}
    lies = ("table ", "data/broker.db", "data/objects/")
    allowed = {planted[0]: {name for name in told if name.startswith(lies)} | {"answers"}}
    assert {s: leaks for s in secrets if (leaks := holders[s] - allowed.get(s, set()))} == {}
    assert "api_key=REDACTED" in told["spans"]


def _written(up: Platform) -> Iterator[Path]:
    """All that the platform keeps, but for its secrets. What Postgres holds is asked for."""
    yield up.folder.with_name("up.log")
    for file in up.folder.rglob("*"):
        place = file.relative_to(up.folder).parts[0]
        if place not in ("secrets", "api-key", "postgres", "run") and file.is_file():
            yield file


def _text(file: Path) -> str:
    return file.read_bytes().decode(errors="replace")


async def test_of_a_part_of_all_traces_each_is_whole_or_not_there(model: Endpoint, site: Web) -> None:
    """Every process decides alike; what is not kept is named in the log all the same."""
    sampled = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    async with receiver() as takes:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": takes.url, "OTEL_BSP_SCHEDULE_DELAY": "100", **sampled}
        async with platform(EMBEDDING_API_BASE_URL=model.url, **settings) as up:
            documents: list[str] = []
            requests: set[str] = set()
            for n in range(8):  # ids are random: until there are some of both kinds
                jobs = [await up.submit([site.url("/glossary")], f"sampled-{n}-{m}") for m in range(6)]
                for job_id in jobs:
                    await up.finish(job_id, 120)
                    documents += [document["document_id"] for document in await up.documents(job_id)]
                requests = {line["trace_id"] for line in _logged(up, "gateway") if line["action"] == "job.submitted"}
                if len(_kept(documents)) == len(_kept(requests)) == 2:
                    break
            else:
                pytest.fail("of 48 requests all were kept, or none")
            wanted = [document for document in documents if _keeps(document)]
            for document in wanted:
                _one_family(await _whole(takes, document))
            await up.down()
            logged = _logged(up, "gateway")
        told = {span.trace_id for span in takes.spans}
        assert {UUID(document).hex for document in documents} & told == {UUID(document).hex for document in wanted}
        assert {trace_id for trace_id in requests if _keeps(trace_id)} == requests & told
        assert requests - told, "one of those that the log alone knows"
        by_id = {span.span_id for span in takes.spans}
        assert all(span.parent_id in by_id for span in takes.spans if span.parent_id), "nobody's parent was left out"
        assert all(re.fullmatch("[0-9a-f]{32}", line["trace_id"]) for line in logged if "request_id" in line)


def _kept(ids: Iterable[str]) -> set[bool]:
    return set(map(_keeps, ids))


def _keeps(trace_id: str) -> bool:
    return Sampler(0.5).keeps(UUID(trace_id).hex)


def _logged(up: Platform, process: str) -> list[dict[str, Any]]:
    lines = (up.folder / "logs" / f"{process}.log").read_text().splitlines()
    return [json.loads(line[line.index("{") :]) for line in lines if "{" in line]
