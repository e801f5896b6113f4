"""Events of a job's life: asked for, called off, asked for again, ended."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.payload import Contract, DocumentPayload, JobPayload, ObjectRef

CorpusName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
JobStatus = Literal["accepted", "running", "completed", "completed_with_errors", "failed", "cancelled"]
StageName = Literal["scrape", "chunk", "embed"]


class JobSubmitted(JobPayload):
    """A caller asks for URLs. They lie in the object store as a JSON list of normalised, distinct URLs."""

    event_type: ClassVar[str] = "dev.sluice.job.submitted.v1"

    caller_id: str
    corpus: CorpusName
    urls: ObjectRef
    count: Annotated[int, Field(ge=1)]


class JobCancelRequested(JobPayload):
    """Everything of the job that has not ended yet is called off."""

    event_type: ClassVar[str] = "dev.sluice.job.cancel_requested.v1"

    caller_id: str


class JobReplayRequested(JobPayload):
    """Failed documents go again, all or those named, from a stage or from where they failed."""

    event_type: ClassVar[str] = "dev.sluice.job.replay_requested.v1"

    caller_id: str
    document_ids: tuple[UUID, ...] | None = None
    from_stage: StageName | None = None


class JobCounts(Contract):
    """Documents by final state."""

    indexed: int = 0
    unchanged: int = 0
    failed: int = 0
    cancelled: int = 0


class JobEnded(JobPayload):
    """What the three final events of a job share. `seconds` runs from submission to the end."""

    caller_id: str
    corpus: CorpusName
    status: JobStatus
    counts: JobCounts
    seconds: float


class JobCompleted(JobEnded):
    """Every document ended, at least one of them well."""

    event_type: ClassVar[str] = "dev.sluice.job.completed.v1"


class JobFailed(JobEnded):
    """Every document ended, none of them well."""

    event_type: ClassVar[str] = "dev.sluice.job.failed.v1"


class JobCancelled(JobEnded):
    """The caller called the job off."""

    event_type: ClassVar[str] = "dev.sluice.job.cancelled.v1"


class DocumentIndexed(DocumentPayload):
    """A document is searchable, or was already so with the same content."""

    event_type: ClassVar[str] = "dev.sluice.document.indexed.v1"

    url: str
    corpus: CorpusName
    chunks: int
    tokens: int
    unchanged: bool = False
