"""What does not agree, and what would mend it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

Check: TypeAlias = Literal[
    "counts_wrong",
    "costs_wrong",
    "job_not_ended",
    "job_ended_early",
    "documents_lost",
    "lease_overdue",
    "request_overdue",
    "event_overdue",
    "page_broken",
    "page_missing",
    "text_mismatch",
    "object_missing",
    "object_corrupt",
]
# What mends a finding: add up the job anew, or what it cost, end it, open it again, sweep, fetch the document again.
Mend: TypeAlias = Literal["recount", "recount_costs", "end_job", "reopen_job", "sweep", "refetch"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is the id of a job, a document or an event; `document_id` what is to be fetched again.

    Without a `mend`, only a person can help, and `sentence` says how.
    """

    check: Check
    subject: UUID
    sentence: str
    mend: Mend | None
    document_id: UUID | None = None
