"""The worker from wake-up to signed events, with everything around it real."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.scrape.handler import open_desk as open_function
from functions.scrape.handler import scrape_page, wake_workers
from functions.scrape.job import open_desk
from functions.scrape.parsing import parser_process
from functions.scrape.settings import FetchSettings, JobSettings, read_wake
from observe import tracing
from observe.vocabulary import strangers
from shared.auth.context import CallerContext
from shared.contracts.envelope import to_event
from shared.contracts.jobs import JobSubmitted
from shared.contracts.payload import ObjectRef
from shared.contracts.stages import DocumentScraped, ScrapeRequested, StageFailed
from shared.errors import InvalidInput, Permanent
from shared.events.codec import decode
from shared.events.event import CloudEvent, Json
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.settings import Environment
from shared.store.domains import RobotsCopy, put_robots
from shared.store.store import Store
from shared.store.submit import CorpusDefaults, submit_job
from shared.workqueue.drain import DrainReport
from tests.fakes.sink import Sink
from tests.fakes.telemetry import parent_id, recording, span_id, trace_id
from tests.functions.scrape.world import PAGE
from tests.local_http import asgi, closed_port, serving, until
from tests.processes import running_module

KEY = b"k" * 32
ASKED = CloudEvent("e", "/functions/orchestrator", ScrapeRequested.event_type)


@pytest.fixture(scope="module")
def parser_path() -> Iterator[str]:
    with parser_process() as path:
        yield path


async def site(request: Request) -> Response:
    match request.url.path:
        case "/robots.txt":
            return Response(b"user-agent: *\ndisallow: /private")
        case "/gone":
            return Response(status_code=404)
        case "/busy":
            return Response(status_code=503, headers={"retry-after": "7"})
        case "/moved":
            return Response(status_code=301, headers={"location": request.query_params["to"]})
        case path:
            body = PAGE.replace(b"Some words", f"Words of {path}".encode())
            return Response(body, media_type="text/html", headers={"etag": '"1"'})


def variables(database: str, folder: Path, **more: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "OBJECT_STORE_URL": f"file://{folder}/objects",
        "LINGER_SECONDS": "0.05",
        "SCRAPE_ALLOW_NETWORKS": "127.0.0.0/8",
        "SCRAPE_DOMAIN_DELAY_SECONDS": "0",
        "SECRETS_DIR": str(folder / "secrets"),
    } | more


async def submit(store: Store, urls: Sequence[str], delay_s: float = 0.0) -> dict[str, UUID]:
    """A job of these URLs; answers its documents."""
    ref = ObjectRef(key="corpora/x/urls/" + "0" * 64, sha256="0" * 64, size_bytes=1)
    payload = JobSubmitted(job_id=uuid4(), caller_id="alice", corpus="default", urls=ref, count=len(urls))
    event = to_event(payload, source="/gateway", cause=None, time=datetime.now(UTC))
    await submit_job(store, event, payload, urls, CorpusDefaults("m", 8, 250, 25, delay_s), datetime.now(UTC))
    rows = await store.fetch("SELECT url, id FROM documents")
    return {row["url"]: row["id"] for row in rows}


async def run(env: dict[str, str], sink: Sink, parser_path: str) -> DrainReport:
    async def saturated() -> None:
        pass

    async with open_desk(JobSettings.read(Environment(env)), sink, parser_path) as desk:
        return await desk.drain(asyncio.Event(), saturated)


async def test_every_page_ends_as_an_event_of_its_own(
    store: Store, database: str, tmp_path: Path, parser_path: str
) -> None:
    sink = Sink()
    async with serving(asgi(site)) as address:
        paths = ["/a", "/b", "/gone", "/private/x", "/busy"]
        documents = await submit(store, [address + path for path in paths])
        report = await run(variables(database, tmp_path), sink, parser_path)
    by_document = {one.document_id: one for one in sink.payloads(DocumentScraped, StageFailed)}
    results = {path: by_document[documents[address + path]] for path in paths}
    assert report == DrainReport(claimed=5, published=5)
    objects = ObjectStore.open(f"file://{tmp_path}/objects", {})
    for path in ("/a", "/b"):
        scraped = results[path]
        assert isinstance(scraped, DocumentScraped)
        assert scraped.text is not None
        assert await objects.get(scraped.text) == f"Words of {path} to read.".encode()
        assert (scraped.title, scraped.etag, scraped.final_url) == ("A page", '"1"', address + path)
    failures = {path: results[path] for path in ("/gone", "/private/x", "/busy")}
    assert {path: (f.kind, f.code) for path, f in failures.items() if isinstance(f, StageFailed)} == {
        "/gone": ("permanent", "http_404"),
        "/private/x": ("permanent", "robots_disallowed"),
        "/busy": ("transient", "http_503"),
    }
    spent = {path: result.spent for path, result in results.items()}
    for path, took in spent.items():
        assert took is not None, path
        assert took.cpu_s > 0, path
    robots = len(b"user-agent: *\ndisallow: /private")
    pages = sum(len(PAGE.replace(b"Some words", f"Words of {path}".encode())) for path in ("/a", "/b"))
    assert sum(took.fetched_bytes for took in spent.values() if took) == robots + pages, "robots.txt was asked for once"
    assert sum(took.decoded_bytes for took in spent.values() if took) == pages


async def test_the_same_claim_reports_under_the_same_id(
    store: Store, database: str, tmp_path: Path, parser_path: str
) -> None:
    ids = []
    async with serving(asgi(site)) as address:
        await submit(store, [address + "/a"])
        for _ in range(2):
            sink = Sink()
            await run(variables(database, tmp_path), sink, parser_path)
            ids += [event.id for event in sink.events]
            # As if the worker had died after it published: the sweeper would hand out a new token, not the same one.
            await store.fetch(
                "UPDATE documents SET state = 'pending', token = token - 1, lease_until = NULL, reported = false"
            )
    assert len(ids) == 2
    assert ids[0] == ids[1]


async def test_a_redirect_to_a_domain_that_is_busy_goes_on_later(
    store: Store, database: str, tmp_path: Path, parser_path: str
) -> None:
    sink = Sink()
    async with serving(asgi(site)) as there, serving(asgi(site)) as here:
        env = variables(database, tmp_path, SCRAPE_DOMAIN_DELAY_SECONDS="30")
        documents = await submit(store, [f"{here}/moved?to={there}/b", f"{there}/a"], delay_s=30.0)
        for address in (here, there):
            await put_robots(store, address, RobotsCopy(404, b"", datetime.now(UTC)))
        report = await run(env, sink, parser_path)
        assert (report.claimed, report.published) == (2, 1)
        row = await store.fetch_row(
            "SELECT fetch_url, not_before > now() + interval '5 s' AS later FROM documents WHERE id = $1",
            documents[f"{here}/moved?to={there}/b"],
        )
    assert row is not None
    assert (row["fetch_url"], row["later"]) == (f"{there}/b", True)


async def test_an_event_wakes_the_worker_and_the_page_comes_back_signed(
    store: Store, database: str, redis_url: str, tmp_path: Path
) -> None:
    received: list[CloudEvent] = []

    async def broker(request: Request) -> Response:
        received.append(decode(request.headers, await request.body()))
        return Response(status_code=202)

    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/event-signing-key").write_bytes(KEY)
    async with serving(asgi(site)) as address, serving(asgi(broker)) as ingress:
        documents = await submit(store, [address + "/a"])
        env = variables(database, tmp_path, REDIS_URL=redis_url, BROKER_URL=ingress, PORT=str(closed_port()))
        settings = Environment(env)
        async with open_function(read_wake(settings), FetchSettings.read(settings)) as function:
            await wake_workers(ScrapeRequested(reason="submitted"), function, ASKED)
        with running_module("functions.scrape.worker", env) as process:
            await until(lambda: bool(received), timeout_s=40)
            process.terminate()
            assert process.wait(10) == 0
    Signer([KEY]).verify(received[0])
    assert received[0].type == DocumentScraped.event_type
    assert received[0].subject == str(documents[address + "/a"])


@asynccontextmanager
async def calling() -> AsyncIterator[object]:
    env = Environment({"REDIS_URL": "redis://127.0.0.1:1/0", "SCRAPE_ALLOW_NETWORKS": "127.0.0.0/8"})
    async with open_function(read_wake(env), FetchSettings.read(env)) as function:

        async def call(body: Json) -> Json:
            caller = CallerContext("c", "user", "free", frozenset(), "r")
            return await scrape_page(body, caller, function)

        yield call


async def test_a_caller_gets_one_page_at_once() -> None:
    async with serving(asgi(site)) as address, calling() as call:
        answer = await call({"url": f"{address}/moved?to=/a"})  # type: ignore[operator]
        with pytest.raises(Permanent) as refused:
            await call({"url": f"{address}/gone"})  # type: ignore[operator]
    assert answer == {
        "url": f"{address}/moved?to=/a",
        "final_url": f"{address}/a",
        "text": "Words of /a to read.",
        "title": "A page",
        "author": None,
        "date": None,
        "language": None,
        "canonical_url": None,
        "directives": [],
    }
    assert refused.value.code == "http_404"


@pytest.mark.parametrize("body", [None, [], {}, {"url": 7}, {"url": "no url"}, {"url": "ftp://example.com/"}])
async def test_a_caller_who_names_no_page_is_told(body: Json) -> None:
    async with calling() as call:
        with pytest.raises(InvalidInput):
            await call(body)  # type: ignore[operator]


async def test_the_time_of_a_page_is_told_in_its_own_trace(
    store: Store, database: str, tmp_path: Path, parser_path: str
) -> None:
    with recording() as recorded:
        async with serving(asgi(site)) as address:
            documents = await submit(store, [address + "/a", address + "/gone"])
            job_id = str(await store.pool.fetchval("SELECT id FROM jobs"))
            ready_at = await store.pool.fetchval("SELECT max(not_before) FROM documents")
            sink = Sink()
            with tracing.span("wake-up", kind="consumer") as wake_up:
                await run(variables(database, tmp_path), sink, parser_path)
        stages = {(span.attributes or {})["job.url"]: span for span in recorded.named("scrape")}
        for url, document in documents.items():
            stage, root = stages[url], tracing.document(document)
            assert (trace_id(stage), parent_id(stage)) == (root.trace_id, root.span_id)
            assert [f"{link.context.span_id:016x}" for link in stage.links] == [wake_up.context.span_id]
            inside = [span for span in recorded.spans() if parent_id(span) == span_id(stage)]
            assert {"fetch", "domains.get_robots"} <= {span.name for span in inside}
            for span in (stage, *inside):
                said = span.attributes or {}
                assert (said["job.id"], said["job.url"], said["job.stage"]) == (job_id, url, "scrape")
                assert strangers(said) == {}
            wait = next(span for span in recorded.named("queue wait") if trace_id(span) == root.trace_id)
            assert parent_id(wait) == root.span_id
            assert wait.start_time == int(ready_at.timestamp() * 1e9), "since it was handed in"
            assert wait.start_time <= (wait.end_time or 0) <= (stage.start_time or 0) + 1e9
        gone = stages[address + "/gone"].attributes or {}
        assert (gone["error.type"], gone["failed.stage"]) == ("http_404", "scraping")
        left = {event.subject: event.extensions for event in sink.events}
        for url, document in documents.items():
            told = left[str(document)]
            assert told["traceparent"] == f"00-{document.hex}-{span_id(stages[url])}-01", "it leaves the worker's span"
            assert told["joburl"] == url
