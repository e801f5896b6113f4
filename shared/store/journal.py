"""What the log says of documents and jobs as they move: each try that failed, each end; once, by whoever booked it."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from observe.vocabulary import clean
from shared.contracts.jobs import JobStatus
from shared.pipeline.decision import Move
from shared.pipeline.states import UNFINISHED, State
from shared.stage_measures import STAGES
from shared.store.traces import life

if TYPE_CHECKING:
    import asyncpg

log = logging.getLogger(__name__)


def moved(row: "asyncpg.Record", move: Move) -> None:
    """`row` is the document's as it was before. What went well on the way is told by its trace alone."""
    if move.failure is not None:
        told = {"code": move.failure.code, "stage": STAGES[move.failure.stage]}
        log.info("try failed: %s: %s", clean(row["url"]), move.failure.message, extra=_about(row) | told)
    if move.state not in UNFINISHED:
        ended = {"action": f"document_{move.state}"}
        log.info("document %s: %s", move.state, clean(row["url"]), extra=_about(row) | ended)


def ended(job_id: UUID, status: JobStatus, counts: Mapping[State, int]) -> None:
    told = {"action": f"job_{status}", "count": sum(counts.values()), "detail": dict(counts)}
    log.info("job %s", status, extra={"job_id": str(job_id)} | told)


def _about(row: "asyncpg.Record") -> dict[str, str]:
    """The trace is the document's, whoever moved it."""
    return {"document_id": str(row["id"]), "job_id": str(row["job_id"]), "trace_id": life(row).trace_id}
