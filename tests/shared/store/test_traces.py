"""The spans that only the database can tell: each document that ends has its root, whoever ended it, and how often."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from observe import context, tracing
from observe.vocabulary import strangers
from shared.contracts.documents import SitemapContent
from shared.contracts.jobs import CorpusDeleteRequested, JobSubmitted, SitemapOptions
from shared.contracts.stages import SitemapRead
from shared.store import traces
from shared.store.claims import renew
from shared.store.deletions import begin
from shared.store.expand import expand
from shared.store.queries import every
from shared.store.submit import submit_job
from tests.fakes.telemetry import Recorded, parent_id, recording, span_id, trace_id
from tests.shared.store.world import DEFAULTS, LEASE_S, World, ref

URLS = [f"https://d{n}.org/" for n in range(4)]
SITEMAP = "https://example.org/sitemap.xml"


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording() as made:
        yield made


async def submitted(world: World, urls: list[str]) -> tuple[UUID, str]:
    """The job, and the span of the request for it."""
    with tracing.span("POST", kind="server") as post:
        return await world.submit(urls), post.context.span_id


def by_url(spans: list[ReadableSpan]) -> Mapping[str, ReadableSpan]:
    found = {str((span.attributes or {})["job.url"]): span for span in spans}
    assert len(found) == len(spans)
    assert not [span for span in spans if strangers(span.attributes or {})]
    return found


def times(span: ReadableSpan) -> tuple[float, float]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time / 1e9, span.end_time / 1e9


def links(span: ReadableSpan) -> list[str]:
    return [f"{link.context.span_id:016x}" for link in span.links]


def error(span: ReadableSpan) -> object:
    return (span.attributes or {}).get("error.type")


async def test_each_document_of_a_job_that_is_called_off_has_its_root(world: World, recorded: Recorded) -> None:
    began = world.now
    job, post = await submitted(world, URLS)
    failed, *_ = await world.scrape(2)
    await world.apply(world.failed(failed, "permanent"))
    world.after(30)
    with tracing.span("job.cancel_requested", kind="consumer") as cancel:
        await world.cancel(job)
    roots = by_url(recorded.named("document"))
    assert roots.keys() == set(URLS)
    for url, root in roots.items():
        wanted = tracing.document(UUID(trace_id(root)))
        assert (span_id(root), parent_id(root)) == (wanted.span_id, None)
        attributes = root.attributes or {}
        assert (attributes["job.id"], attributes["corpus.name"]) == (str(job), "books")
        called_off = url != failed.url
        assert error(root) == ("cancelled" if called_off else "went_wrong")
        assert links(root) == ([post, cancel.context.span_id] if called_off else [post])
        assert root.status.status_code is (StatusCode.UNSET if called_off else StatusCode.ERROR)
        assert times(root) == (began.timestamp(), began.timestamp() + (30 if called_off else 0))
    assert {UUID(trace_id(root)) for root in roots.values()} == {row.id for row in await world.documents(job)}


async def test_of_a_huge_job_those_are_told_that_somebody_worked_on(world: World, recorded: Recorded) -> None:
    job = await world.submit([f"https://example.org/{n}" for n in range(traces.most() + 5)])
    claims = await world.scrape(3)
    await world.cancel(job)
    told = by_url(recorded.named("document"))
    assert len(told) == traces.most() < traces.most() + 5 == (await world.job(job)).counts["cancelled"]
    assert {claim.url for claim in claims} <= told.keys()


async def test_each_document_of_a_corpus_that_is_deleted_has_its_root(world: World, recorded: Recorded) -> None:
    first, _ = await submitted(world, URLS[:2])
    second, _ = await submitted(world, URLS[2:])
    await world.scrape(1)
    wanted = CorpusDeleteRequested(deletion_id=uuid4(), caller_id="alice", corpus="books")
    await begin(world.store, world.event(wanted), wanted, world.now)
    roots = by_url(recorded.named("document"))
    assert roots.keys() == set(URLS)
    assert {error(root) for root in roots.values()} == {"cancelled"}
    assert {(root.attributes or {})["job.id"] for root in roots.values()} == {str(first), str(second)}


async def test_a_sitemap_that_gave_way_has_its_root_and_so_have_those_that_nobody_needs(
    world: World, recorded: Recorded
) -> None:
    payload = JobSubmitted(
        job_id=uuid4(), caller_id="alice", corpus="books", urls=ref("urls"), count=1, sitemap=SitemapOptions(limit=1)
    )
    await world.send(await submit_job(world.store, world.event(payload), payload, [SITEMAP], DEFAULTS, world.now))
    index = SitemapContent(pages=(), sitemaps=(f"{SITEMAP}/1", f"{SITEMAP}/2"))
    for content in (index, SitemapContent(pages=tuple(URLS[:1]), sitemaps=())):
        [claim] = await world.scrape(1)
        read = SitemapRead(
            job_id=claim.job_id,
            document_id=claim.document_id,
            token=claim.token,
            found=ref("found"),
            pages=len(content.pages),
            sitemaps=len(content.sitemaps),
        )
        await expand(world.store, world.event(read), read, content, 0.0, world.now)
    roots = by_url(recorded.named("document"))
    assert roots.keys() == {SITEMAP, f"{SITEMAP}/1", f"{SITEMAP}/2"}
    assert [error(root) for root in roots.values()] == [None] * 3


async def test_nothing_is_read_to_be_told_when_nobody_listens(world: World) -> None:
    job = await world.submit(URLS)
    assert traces.most() == 0
    await world.cancel(job)
    assert (await world.job(job)).counts == {"cancelled": 4}


async def test_a_replay_is_a_span_of_its_own_below_the_root(world: World, recorded: Recorded) -> None:
    job, _ = await submitted(world, URLS[:1])
    [claim] = await world.scrape()
    assert claim.replayed_at is None
    await world.apply(world.failed(claim, "permanent"))
    asked: list[tuple[datetime, str]] = []
    for _ in range(2):
        world.after(100)
        with tracing.span("job.replay_requested", kind="consumer") as request:
            await world.replay(job)
        asked.append((world.now, request.context.span_id))
        [claim] = await world.scrape()
        assert claim.replayed_at == world.now, "the worker knows what its spans are part of"
        world.after(5)
        await world.apply(world.failed(claim, "permanent"))
    root, wanted = recorded.one("document"), tracing.document(claim.document_id)
    assert (trace_id(root), span_id(root)) == (wanted.trace_id, wanted.span_id)
    replays = recorded.named("replay")
    assert [(times(span)[0], links(span)) for span in replays] == [(at.timestamp(), [who]) for at, who in asked]
    for span, (at, _) in zip(replays, asked, strict=True):
        own = tracing.document(claim.document_id, at)
        assert (trace_id(span), span_id(span), parent_id(span)) == (own.trace_id, own.span_id, wanted.span_id)
        assert times(span)[1] - times(span)[0] == 5
        attributes = span.attributes or {}
        assert (attributes["error.type"], attributes["failed.stage"], strangers(attributes)) == (
            *("went_wrong", "scraping"),
            {},
        )
    assert len({span_id(span) for span in (root, *replays)}) == 3


async def test_what_a_replay_asks_for_is_part_of_it_and_so_is_its_end(world: World, recorded: Recorded) -> None:
    job = await world.submit(URLS[:1])
    [request] = await world.pass_scrape()
    await world.apply(world.chunked(request))
    [claim] = await world.embed()
    await world.apply(world.failed(claim, "permanent", "embedding"))
    world.after(60)
    [request] = await world.replay(job, "chunk")
    own = tracing.document(claim.document_id, world.now)
    assert context.parse(request.extensions["traceparent"]) == own
    await world.apply(world.chunked(request))
    [again] = await world.embed()
    assert tracing.document(again.document_id, again.replayed_at) == own
    await world.cancel(job)
    assert span_id(recorded.one("replay")) == own.span_id
    assert error(recorded.one("replay")) == "cancelled"


async def test_the_wait_for_a_worker_that_died_is_a_span(world: World, recorded: Recorded) -> None:
    job = await world.submit(URLS[:1])
    world.after(10)
    [claim] = await world.scrape()
    claimed = world.now
    for _ in range(2):  # heartbeats prolong it, and change nothing of when it began
        world.after(LEASE_S / 2)
        await renew(world.store, [claim], LEASE_S, world.now)
    world.after(LEASE_S - 1)
    await world.sweep()
    assert recorded.named("lease wait") == []
    world.after(4)
    await world.sweep()
    wait, root = recorded.one("lease wait"), tracing.document(claim.document_id)
    assert (trace_id(wait), parent_id(wait)) == (root.trace_id, root.span_id)
    assert times(wait) == (claimed.timestamp(), world.now.timestamp())
    assert wait.attributes == {"job.id": str(job), "job.url": claim.url, "error.type": "lease_expired"}
    assert not wait.status.is_ok
    await world.sweep()
    assert len(recorded.named("lease wait")) == 1


def test_no_other_statement_ends_documents() -> None:
    """Whoever adds one tells of it, and adds it here. `deletions.documents` removes what has ended."""
    ends = re.compile(r"DELETE FROM documents\b|UPDATE documents\b(?:(?!\bFROM\b).)*\bended_at\b(?! = NULL)", re.DOTALL)
    assert {name for name, sql in every().items() if ends.search(sql)} == {
        *("transitions.move", "jobs.cancel_documents", "deletions.stop_documents"),
        *("expand.give_way", "expand.drop_waiting", "deletions.documents"),
    }
