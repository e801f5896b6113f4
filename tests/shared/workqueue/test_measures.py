"""What is counted of a stage's documents, whatever becomes of them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from shared.contracts.costs import Spent, StageReport
from shared.contracts.stages import DocumentEmbedded
from shared.errors import Interrupted, Permanent, Transient
from shared.workqueue.drain import drain
from tests.numbers import Since, here


@dataclass(frozen=True)
class Document:
    what: str
    document_id: UUID = field(default_factory=uuid4)
    job_id: UUID = field(default_factory=uuid4)
    token: int = 1
    deaths: int = 0


async def work(claim: Document) -> StageReport | None:
    assert here()("sluice_stage_documents_in_hand", stage="scrape") > 0
    match claim.what:
        case "gone":
            raise Permanent("http_404", "the page is gone")
        case "odd":
            raise Permanent("http_451", "the server answered with status 451")
        case "slow":
            raise Transient("fetch_timeout", "too slow")
        case "bug":
            raise RuntimeError("nobody foresaw this")
        case "stopped":
            raise Interrupted("worker_stopped", "stopped")
        case "waits":
            return None
    await asyncio.sleep(0.05)
    names = {"job_id": claim.job_id, "document_id": claim.document_id, "token": claim.token}
    return DocumentEmbedded(**names, chunks=1, tokens=1, model="m", dimension=3)


async def test_each_document_counts_by_how_its_work_ended_and_each_failure_by_its_code() -> None:
    waiting = [Document(what) for what in ("well", "gone", "odd", "slow", "bug", "stopped", "waits")]

    async def claim(limit: int) -> Sequence[Document]:
        taken, waiting[:] = waiting[:limit], waiting[limit:]
        return taken

    async def publish(_payload: StageReport, _claim: Document) -> None:
        await asyncio.sleep(0)

    async def renew(claims: Sequence[Document]) -> Collection[UUID]:
        return ()

    async def release(_claims: Mapping[Document, Spent], _wait_s: float | None) -> None:
        await asyncio.sleep(0)

    async def reported(_claims: Sequence[Document]) -> None:
        await asyncio.sleep(0)

    since = Since()
    await drain(
        stage="scraping",
        claim=claim,
        work=work,
        publish=publish,
        renew=renew,
        release=release,
        reported=reported,
        concurrency=8,
        lease_s=60,
        stop=asyncio.Event(),
        linger_s=0,
    )

    def seconds(outcome: str) -> float:
        return since("sluice_stage_seconds_count", stage="scrape", outcome=outcome)

    def failures(kind: str, code: str) -> float:
        return since("sluice_stage_failures_total", stage="scrape", kind=kind, code=code)

    outcomes = ("passed", "permanent", "transient", "interrupted", "postponed")
    assert [seconds(outcome) for outcome in outcomes] == [1, 2, 2, 1, 1]
    assert since("sluice_stage_seconds_sum", stage="scrape", outcome="passed") >= 0.05
    assert since.in_seconds("sluice_stage_seconds", at_once=7, stage="scrape")
    assert failures("permanent", "http_4xx") == 2, "a status is the site's own choice: only its class is a label"
    assert failures("transient", "fetch_timeout") == failures("transient", "internal_error") == 1
    assert failures("interrupted", "worker_stopped") == 1
    assert here()("sluice_stage_documents_in_hand", stage="scrape") == 0
