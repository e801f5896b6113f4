"""The drain loop against a tiny world: a list of documents, who holds them, and what was published."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.costs import Spent, StageReport
from shared.contracts.stages import DocumentEmbedded, StageFailed
from shared.errors import Interrupted, InvalidInput, Permanent, Transient, Unavailable
from shared.tally import current
from shared.workqueue.drain import DrainReport, drain
from shared.workqueue.intake import POLL_S
from tests.local_http import until


@dataclass(frozen=True)
class Doc:
    document_id: UUID = field(default_factory=uuid4)
    job_id: UUID = field(default_factory=uuid4)
    token: int = 1
    deaths: int = 0


@dataclass
class World:
    ready: list[Doc] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    published: list[StageReport] = field(default_factory=list)
    released: list[tuple[Doc, float | None]] = field(default_factory=list)
    given_back: list[Spent] = field(default_factory=list)
    reported: list[Doc] = field(default_factory=list)
    lost: set[UUID] = field(default_factory=set)
    renewed: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    work: Callable[[Doc], Coroutine[Any, Any, StageReport | None]] | None = None

    async def claim(self, limit: int) -> Sequence[Doc]:
        self.asked.append(limit)
        taken, self.ready = self.ready[:limit], self.ready[limit:]
        return taken

    async def publish(self, payload: StageReport, _claim: Doc) -> None:
        self.published.append(payload)

    async def renew(self, claims: Sequence[Doc]) -> Collection[UUID]:
        self.renewed += len(claims)
        return self.lost

    async def release(self, claims: Mapping[Doc, Spent], wait_s: float | None) -> None:
        self.released += [(claim, wait_s) for claim in claims]
        self.given_back += claims.values()

    async def report(self, claims: Sequence[Doc]) -> None:
        self.reported += claims

    async def drain(
        self,
        *,
        concurrency: int = 8,
        budget_s: float = 60.0,
        lease_s: float = 60.0,
        publish: Callable[[StageReport, Doc], Coroutine[Any, Any, None]] | None = None,
        saturated: Callable[[], Awaitable[None]] | None = None,
        sweep: Callable[[], Awaitable[None]] | None = None,
    ) -> DrainReport:
        return await drain(
            stage="embedding",
            claim=self.claim,
            work=self.work or done,
            publish=publish or self.publish,
            renew=self.renew,
            release=self.release,
            reported=self.report,
            concurrency=concurrency,
            lease_s=lease_s,
            stop=self.stop,
            budget_s=budget_s,
            linger_s=0.02,
            saturated=saturated,
            sweep=sweep,
            sweep_s=0.01,
        )


async def done(doc: Doc) -> StageReport:
    return DocumentEmbedded(
        job_id=doc.job_id, document_id=doc.document_id, token=doc.token, chunks=1, tokens=1, model="m", dimension=1
    )


async def for_ever(_doc: Doc) -> StageReport | None:
    await asyncio.Event().wait()
    return None


async def test_nothing_ready_ends_at_once() -> None:
    world = World()
    assert await world.drain() == DrainReport()
    assert world.asked == [8]


async def test_every_document_is_published_by_itself() -> None:
    world = World([Doc() for _ in range(50)])
    report = await world.drain()
    assert report == DrainReport(claimed=50, published=50)
    assert len({payload.subject() for payload in world.published}) == 50


async def test_a_slow_document_does_not_hold_up_the_others() -> None:
    slow, *others = [Doc() for _ in range(20)]
    others_done = asyncio.Event()
    world = World([slow, *others])

    async def work(doc: Doc) -> StageReport:
        if doc is slow:
            await others_done.wait()
        elif len(world.published) == len(others) - 1:
            others_done.set()
        return await done(doc)

    world.work = work
    assert (await world.drain(concurrency=4)).published == 20
    assert world.published[-1].subject() == str(slow.document_id)


async def test_it_claims_again_only_when_a_quarter_is_free() -> None:
    world = World([Doc() for _ in range(64)])
    await world.drain(concurrency=16)
    assert min(world.asked) >= 4


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Transient("embedding_timeout", "slow", retry_after_s=7), "transient", "embedding_timeout"),
        (Permanent("chunk_too_long", "no"), "permanent", "chunk_too_long"),
        (Unavailable("object_store_unavailable", "down"), "transient", "object_store_unavailable"),
        (InvalidInput("vector_invalid", "no"), "permanent", "vector_invalid"),
        (ZeroDivisionError(), "transient", "internal_error"),
    ],
)
async def test_a_failure_becomes_a_stage_failed(error: Exception, kind: str, code: str) -> None:
    world = World([Doc()])

    async def work(_doc: Doc) -> StageReport:
        raise error

    world.work = work
    await world.drain()
    [failed] = world.published
    assert isinstance(failed, StageFailed)
    assert (failed.stage, failed.kind, failed.code) == ("embedding", kind, code)
    assert failed.retry_after_s == getattr(error, "retry_after_s", None)


async def test_interrupted_work_is_given_back_for_the_time_it_asks() -> None:
    world = World([Doc()])

    async def work(_doc: Doc) -> StageReport:
        raise Interrupted("circuit_open", "the endpoint rests", retry_after_s=9)

    world.work = work
    report = await world.drain()
    assert (report.released, world.published) == (1, [])
    assert world.released[0][1] == 9


async def test_work_that_settled_its_claim_publishes_nothing() -> None:
    world = World([Doc()])

    async def work(_doc: Doc) -> None:
        return None

    world.work = work
    assert await world.drain() == DrainReport(claimed=1)
    assert world.released == []


async def test_a_result_that_nobody_takes_is_given_back() -> None:
    world = World([Doc(), Doc()])
    refused: list[StageReport] = []

    async def publish(payload: StageReport, claim: Doc) -> None:
        if not refused:
            refused.append(payload)
            raise Unavailable("receiver_unavailable", "down")
        await world.publish(payload, claim)

    report = await world.drain(publish=publish)
    assert (report.published, report.released) == (1, 1)
    assert world.released[0][1] == 60


async def test_it_tells_whose_results_were_sent_while_it_works_and_at_the_end() -> None:
    slow, *quick = [Doc() for _ in range(5)]
    told = asyncio.Event()
    world = World([slow, *quick])

    async def work(doc: Doc) -> StageReport:
        if doc is slow:
            await told.wait()
        return await done(doc)

    world.work = work
    running = asyncio.create_task(world.drain(lease_s=0.05))
    await until(lambda: set(world.reported) == set(quick))
    told.set()
    await running
    assert world.reported[-1] == slow
    assert len(world.reported) == 5


async def test_what_was_given_back_is_not_told_as_sent() -> None:
    world = World([Doc()])

    async def publish(_payload: StageReport, _claim: Doc) -> None:
        raise Unavailable("receiver_unavailable", "down")

    await world.drain(publish=publish)
    assert world.reported == []


async def test_stop_releases_what_is_unfinished() -> None:
    world = World([Doc() for _ in range(3)], work=for_ever)
    running = asyncio.create_task(world.drain())
    await until(lambda: bool(world.asked))
    world.stop.set()
    report = await running
    assert report == DrainReport(claimed=3, released=3)
    assert [wait for _, wait in world.released] == [None] * 3


async def test_a_lost_lease_cancels_the_work_and_forgets_it() -> None:
    lost, kept = Doc(), Doc()
    release = asyncio.Event()
    world = World([lost, kept], lost={lost.document_id})

    async def work(doc: Doc) -> StageReport:
        if doc is lost:
            await for_ever(doc)
        await release.wait()
        return await done(doc)

    world.work = work
    running = asyncio.create_task(world.drain(lease_s=0.03))
    await until(lambda: world.renewed > 2)
    release.set()
    report = await running
    assert report == DrainReport(claimed=2, published=1, lost=1)
    assert world.released == []


async def test_over_time_it_finishes_what_it_has_and_says_that_more_is_left() -> None:
    world = World([Doc() for _ in range(10)])
    gate = asyncio.Event()

    async def work(doc: Doc) -> StageReport:
        await gate.wait()
        return await done(doc)

    world.work = work
    running = asyncio.create_task(world.drain(concurrency=4, budget_s=0.05))
    await until(lambda: len(world.asked) == 1)
    await asyncio.sleep(0.06)
    gate.set()
    report = await running
    assert report == DrainReport(claimed=4, published=4, more=True)
    assert world.asked == [4]


async def test_nothing_is_claimed_beside_a_document_that_killed_a_worker() -> None:
    gate = asyncio.Event()
    suspect = Doc(deaths=1)
    world = World([suspect])

    async def work(doc: Doc) -> StageReport:
        if doc is suspect:
            world.ready.append(Doc())
            await gate.wait()
            assert len(world.asked) == 1
        return await done(doc)

    world.work = work
    running = asyncio.create_task(world.drain())
    await until(lambda: bool(world.ready))
    await asyncio.sleep(0.3)
    gate.set()
    assert (await running).published == 2


async def test_documents_that_killed_a_worker_follow_each_other_at_once_and_call_others_to_help() -> None:
    """Each comes alone, so that a claim of one does not mean that there are no more."""
    world = World([Doc(deaths=1) for _ in range(20)])
    told: list[int] = []

    async def one(limit: int) -> Sequence[Doc]:
        world.asked.append(limit)
        taken, world.ready = world.ready[:1], world.ready[1:]
        return taken

    async def saturated() -> None:
        told.append(1)

    world.claim = one  # type: ignore[method-assign]
    began = asyncio.get_running_loop().time()
    assert (await world.drain(saturated=saturated)).published == 20
    assert asyncio.get_running_loop().time() - began < 20 * POLL_S / 2
    assert told == [1]


async def test_more_than_fits_is_told_once() -> None:
    told: list[int] = []
    world = World([Doc() for _ in range(40)])

    async def saturated() -> None:
        told.append(1)

    await world.drain(concurrency=4, saturated=saturated)
    assert told == [1]


async def test_a_failing_claim_is_survived_while_documents_are_in_hand() -> None:
    world = World()
    tries: list[int] = []

    async def work(doc: Doc) -> StageReport:
        await until(lambda: len(tries) > 1)
        return await done(doc)

    async def claim(limit: int) -> Sequence[Doc]:
        tries.append(limit)
        if len(tries) == 2:
            raise ConnectionError("the database restarts")
        return [Doc()] if len(tries) == 1 else []

    report = await drain(
        stage="embedding",
        claim=claim,
        work=work,
        publish=world.publish,
        renew=world.renew,
        release=world.release,
        reported=world.report,
        concurrency=4,
        lease_s=60,
        stop=world.stop,
        linger_s=0.0,
    )
    assert report.published == 1
    assert len(tries) == 3


async def test_it_sweeps_meanwhile_and_survives_a_bad_sweep() -> None:
    swept: list[int] = []
    world = World([Doc()])

    async def sweep() -> None:
        swept.append(1)
        raise ConnectionError("the database restarts")

    async def work(doc: Doc) -> StageReport:
        await until(lambda: len(swept) > 1)
        return await done(doc)

    world.work = work
    assert (await world.drain(sweep=sweep)).published == 1


async def test_a_report_says_what_its_work_took_and_nothing_of_the_others() -> None:
    world = World([Doc(), Doc()])
    first, second = world.ready

    async def work(doc: Doc) -> StageReport:
        current().fetched_bytes += 10 if doc == first else 1
        await asyncio.sleep(0)
        _compute(0.02 if doc == first else 0.0)
        current().fetched_bytes += 10
        return await done(doc)

    world.work = work
    await world.drain()
    by_document = {report.document_id: report.spent for report in world.published}
    one, other = by_document[first.document_id], by_document[second.document_id]
    assert one is not None
    assert other is not None
    assert (one.fetched_bytes, other.fetched_bytes) == (20, 11)
    assert one.cpu_s >= 0.02 > other.cpu_s


async def test_what_failed_or_was_broken_off_has_been_paid_for_too() -> None:
    async def fails(_doc: Doc) -> StageReport:
        current().fetched_bytes += 7
        raise Permanent("page_too_large", "it is too large")

    async def must_wait(_doc: Doc) -> StageReport:
        current().fetched_bytes += 8
        raise Interrupted("domain_busy", "later")

    async def hangs(_doc: Doc) -> StageReport | None:
        current().fetched_bytes += 9
        world.stop.set()
        await asyncio.Event().wait()
        return None

    for work in (fails, must_wait, hangs):
        world = World([Doc()], work=work)
        await world.drain()
        took = [*world.given_back, *(report.spent for report in world.published)]
        assert [spent and spent.fetched_bytes for spent in took] == [{fails: 7, must_wait: 8, hangs: 9}[work]]


def _compute(seconds: float) -> None:
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass
