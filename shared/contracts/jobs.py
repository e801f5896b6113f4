"""Events of a job's life: asked for, called off, asked for again, ended."""

import re
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.payload import Contract, DocumentPayload, ErrorCode, JobPayload, ObjectRef, Payload, Sha256
from shared.contracts.stages import FailedStage, FailureKind

CorpusName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
JobStatus = Literal["accepted", "running", "completed", "completed_with_errors", "failed", "cancelled"]
StageName = Literal["scrape", "chunk", "embed"]
JobEnding = Literal["job.completed", "job.failed", "job.cancelled"]
UrlPattern = Annotated[str, Field(min_length=1, max_length=300)]

_CORPUS_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

MAX_SITEMAP_URLS = 50_000
MAX_PATTERNS = 50


class SitemapOptions(Contract):
    """Of the pages that a sitemap lists: at most `limit`, which match a pattern of `include` and none of `exclude`.

    In a pattern `*` stands for any characters and `?` for one; it matches the whole URL, or its path when it begins
    with a slash.
    """

    limit: Annotated[int, Field(ge=1, le=MAX_SITEMAP_URLS)] = 10_000
    include: Annotated[tuple[UrlPattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    exclude: Annotated[tuple[UrlPattern, ...], Field(max_length=MAX_PATTERNS)] = ()


class Webhook(Contract):
    """Where a caller wants to hear how its job ended, and of which endings."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    events: Annotated[tuple[JobEnding, ...], Field(min_length=1, max_length=3)] = (
        "job.completed",
        "job.failed",
        "job.cancelled",
    )


def is_corpus_id(name: str) -> bool:
    """Such a name means the corpus with this id, the caller's own or granted to it: no new corpus is called so."""
    return _CORPUS_ID.fullmatch(name) is not None


class JobSubmitted(JobPayload):
    """A caller asks for URLs. They lie in the object store as a JSON list of normalised, distinct URLs.

    With `sitemap` they are addresses of sitemaps. With `text` it is one URL, whose text the caller brings. A job that
    is not `announced` ends without an event. `request_sha256` tells a repetition from another request. `weight` is how
    many turns the caller gets for one of a caller that weighs 1.
    """

    event_type: ClassVar[str] = "dev.sluice.job.submitted.v1"

    caller_id: str
    corpus: CorpusName
    urls: ObjectRef
    count: Annotated[int, Field(ge=1)]
    sitemap: SitemapOptions | None = None
    text: ObjectRef | None = None
    title: Annotated[str, Field(max_length=1000)] | None = None
    webhook: Webhook | None = None
    announced: bool = True
    request_sha256: Sha256 | None = None
    weight: Annotated[int, Field(ge=1, le=1000)] = 1


class JobCancelRequested(JobPayload):
    """Everything of the job that has not ended yet is called off."""

    event_type: ClassVar[str] = "dev.sluice.job.cancel_requested.v1"

    caller_id: str


class JobReplayRequested(JobPayload):
    """Failed documents go again, all or those named, from a stage or from where they failed.

    Of the other conditions, all that are given must hold.
    """

    event_type: ClassVar[str] = "dev.sluice.job.replay_requested.v1"

    caller_id: str
    document_ids: tuple[UUID, ...] | None = None
    from_stage: StageName | None = None
    error_code: ErrorCode | None = None
    error_stage: FailedStage | None = None
    error_kind: FailureKind | None = None


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


class CorpusDeleteRequested(Payload):
    """A caller wants a corpus gone, with all that was made of it. `deletion_id` is where the proof will be."""

    event_type: ClassVar[str] = "dev.sluice.corpus.delete_requested.v1"

    deletion_id: UUID
    caller_id: str
    corpus: CorpusName
    request_id: Annotated[str, Field(max_length=128)] | None = None

    def subject(self) -> str | None:
        return str(self.deletion_id)


class WebhookRedeliveryRequested(Payload):
    """A caller wants a webhook sent once more."""

    event_type: ClassVar[str] = "dev.sluice.webhook.redelivery_requested.v1"

    delivery_id: UUID
    caller_id: str

    def subject(self) -> str | None:
        return str(self.delivery_id)
