"""The words for where a document and a job stand."""

from enum import StrEnum
from typing import Final

from shared.contracts.jobs import JobStatus
from shared.contracts.stages import FailedStage


class State(StrEnum):
    """A document's: the first four are unfinished, the others final."""

    PENDING = "pending"
    SCRAPING = "scraping"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"
    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED: Final = frozenset({State.PENDING, State.SCRAPING, State.CHUNKING, State.EMBEDDING})

# Where a document waits before it passes a stage, and where it stands while in that stage's hands.
WAITS_IN: Final[dict[FailedStage, State]] = {
    "scraping": State.PENDING,
    "chunking": State.CHUNKING,
    "embedding": State.EMBEDDING,
}
IN_HAND: Final[dict[FailedStage, State]] = {
    "scraping": State.SCRAPING,
    "chunking": State.CHUNKING,
    "embedding": State.EMBEDDING,
}


def job_status(counts: dict[State, int], *, cancel_requested: bool) -> JobStatus:
    """How a job of which no document is unfinished has ended."""
    well = counts.get(State.INDEXED, 0) + counts.get(State.UNCHANGED, 0)
    badly = counts.get(State.FAILED, 0) + counts.get(State.CANCELLED, 0)
    if cancel_requested:
        return "cancelled"
    if not well:
        return "failed"
    return "completed_with_errors" if badly else "completed"
