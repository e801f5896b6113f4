"""What is counted of documents and jobs as they move: once for each move that was booked, by whoever booked it."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from observe import metrics
from shared.contracts.jobs import JobStatus, StageName
from shared.pipeline.costs import Cost
from shared.pipeline.decision import Move
from shared.pipeline.facts import LeaseExpired, Nudged
from shared.pipeline.states import UNFINISHED, State
from shared.stage_measures import STAGES

if TYPE_CHECKING:
    import asyncpg

# From a page that was seen before to a backlog of days behind one slow domain.
_LONG_S: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)

_DOCUMENTS: Final = metrics.histogram(
    "sluice_document_seconds", "From a document's creation to its end.", "state", bounds=_LONG_S
)
_JOBS: Final = metrics.histogram("sluice_job_seconds", "From a job's acceptance to its end.", "status", bounds=_LONG_S)
_TRIES: Final = metrics.counter(
    "sluice_document_tries_total", "Tries that ended, as they were booked.", "stage", "outcome"
)
_EXPIRIES: Final = (
    metrics.counter("sluice_lease_expiries_total", "Leases that ran out.", "stage", "cause")
    .expect("scrape", "worker_died")
    .expect("embed", "worker_died")
    .expect("scrape", "result_lost")
    .expect("embed", "result_lost")
)
_NUDGES: Final = metrics.counter(
    "sluice_chunk_nudges_total", "Requests for chunks that were made again because nobody answered."
)
_WAITS: Final = metrics.histogram(
    "sluice_stage_wait_seconds", "How long a claimed document had been ready.", "stage", bounds=_LONG_S
)
_CPU: Final = metrics.counter("sluice_cost_cpu_seconds_total", "Processor time of tries, as it was booked.", "stage")
_BYTES: Final = metrics.counter("sluice_cost_bytes_total", "Bytes of tries, as they were booked.", "of")
_TOKENS: Final = metrics.counter("sluice_cost_tokens_total", "Tokens of tries, as they were booked.", "of")
_SWEEPS: Final = metrics.counter("sluice_sweeps_total", "Looks at what is overdue.")

# What a document that moves on from a state has passed. A report from outside needs no claim before.
_PASSED: Final[Mapping[State, StageName]] = {
    State.PENDING: "scrape",
    State.SCRAPING: "scrape",
    State.CHUNKING: "chunk",
    State.EMBEDDING: "embed",
}


def moved(row: "asyncpg.Record", move: Move, now: datetime) -> None:
    """`row` is the document's as it was before."""
    before = State(row["state"])
    if move.failure is not None:
        _TRIES.inc(STAGES[move.failure.stage], move.failure.kind)
    elif move.state is not before:
        _TRIES.inc(_PASSED[before], "passed")
    if move.state not in UNFINISHED:
        _DOCUMENTS.observe(_seconds(row["created_at"], now), move.state)


class Claim(Protocol):
    @property
    def ready_at(self) -> datetime: ...


C = TypeVar("C", bound=Claim)


def claimed(stage: StageName, claims: list[C], now: datetime) -> list[C]:
    """The claims."""
    for claim in claims:
        _WAITS.observe(_seconds(claim.ready_at, now), stage)
    return claims


def spent(cost: Cost) -> None:
    """By stage alone: callers and corpora ask the API."""
    for stage, cpu_s in (("scrape", cost.scrape_cpu_s), ("chunk", cost.chunk_cpu_s), ("embed", cost.embed_cpu_s)):
        if cpu_s:
            _CPU.inc(stage, by=cpu_s)
    for of, count in (("fetched", cost.fetched_bytes), ("decoded", cost.decoded_bytes), ("text", cost.text_bytes)):
        if count:
            _BYTES.inc(of, by=count)
    for of, count in (("indexed", cost.indexed_tokens), ("embedded", cost.embedded_tokens)):
        if count:
            _TOKENS.inc(of, by=count)


def timed_out(move: Move, fact: LeaseExpired | Nudged) -> None:
    match fact:
        case LeaseExpired():
            assert move.failure is not None
            cause = "result_lost" if move.failure.code == "result_lost" else "worker_died"
            _EXPIRIES.inc(STAGES[move.failure.stage], cause)
        case Nudged():
            _NUDGES.inc()


def ended(status: JobStatus, created_at: datetime, now: datetime) -> None:
    _JOBS.observe(_seconds(created_at, now), status)


def swept() -> None:
    _SWEEPS.inc()


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
