"""What is counted of a stage's work on documents, whether a worker does it or a function."""

import re
import time
from typing import Final, Literal

from observe import metrics
from shared.contracts.jobs import StageName
from shared.contracts.stages import FailedStage, FailureKind

STAGES: Final[dict[FailedStage, StageName]] = {"scraping": "scrape", "chunking": "chunk", "embedding": "embed"}

_SECONDS: Final = metrics.histogram(
    "sluice_stage_seconds", "Work on one document: from its claim to its result.", "stage", "outcome"
)
_FAILURES: Final = metrics.counter(
    "sluice_stage_failures_total", "Documents that a stage could not do its part for.", "stage", "kind", "code"
)
_IN_HAND: Final = metrics.gauge("sluice_stage_documents_in_hand", "Documents that the worker works on.", "stage")
_STATUS: Final = re.compile(r"(http_[1-9])[0-9][0-9]")


class Work:
    """One document, from now on."""

    def __init__(self, stage: FailedStage) -> None:
        self._stage = STAGES[stage]
        self._began = time.perf_counter()

    def ended(self, outcome: FailureKind | Literal["passed", "postponed"]) -> None:
        """Postponed: neither passed nor failed, and not to be reported."""
        _SECONDS.observe(time.perf_counter() - self._began, self._stage, outcome)

    def failed(self, kind: FailureKind, code: str) -> None:
        self.ended(kind)
        _FAILURES.inc(self._stage, kind, in_short(code))


def documents_in_hand(stage: FailedStage, count: int) -> None:
    _IN_HAND.set(count, STAGES[stage])


def in_short(code: str) -> str:
    """Statuses are the site's choice, so only their class is told: `http_4xx`."""
    return _STATUS.sub(r"\1xx", code)
