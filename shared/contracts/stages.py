"""Events between the orchestrator and the stages."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.costs import StageReport
from shared.contracts.payload import DocumentPayload, ErrorCode, ObjectRef, Payload, Sentence

FailureKind = Literal["transient", "permanent", "interrupted"]
FailedStage = Literal["scraping", "chunking", "embedding"]


# False of a report from outside the platform, whose sender holds no lease: good while nobody has claimed meanwhile.
Claimed = Annotated[bool, Field(description="whether the sender holds the document's lease")]


class WorkReady(Payload):
    """There is work in Postgres. A hint: it names none, and one is as good as a hundred."""

    reason: Literal["submitted", "advanced", "replayed", "overdue", "more"]


class ScrapeRequested(WorkReady):
    """Documents wait to be fetched."""

    event_type: ClassVar[str] = "dev.sluice.scrape.requested.v1"


class EmbedRequested(WorkReady):
    """Documents wait to be embedded."""

    event_type: ClassVar[str] = "dev.sluice.embed.requested.v1"


class DocumentScraped(StageReport):
    """A page was fetched and read. `text` is absent when the server said that nothing changed (HTTP 304)."""

    event_type: ClassVar[str] = "dev.sluice.document.scraped.v1"

    text: ObjectRef | None
    final_url: str
    content_type: str | None = None
    title: Annotated[str, Field(max_length=1000)] | None = None
    author: Annotated[str, Field(max_length=500)] | None = None
    date: Annotated[str, Field(max_length=40)] | None = None
    language: Annotated[str, Field(max_length=20)] | None = None
    canonical_url: Annotated[str, Field(max_length=2048)] | None = None
    etag: Annotated[str, Field(max_length=1000)] | None = None
    last_modified: Annotated[str, Field(max_length=100)] | None = None
    fetched_at: datetime
    claimed: Claimed = True


class SitemapRead(StageReport):
    """A sitemap was read. `found` refers to a `shared.contracts.documents.SitemapContent`."""

    event_type: ClassVar[str] = "dev.sluice.sitemap.read.v1"

    found: ObjectRef
    pages: Annotated[int, Field(ge=0)]
    sitemaps: Annotated[int, Field(ge=0)]


class ChunkRequested(DocumentPayload):
    """Split this text. Sizes are tokens of the corpus's embedding model, special tokens not counted."""

    event_type: ClassVar[str] = "dev.sluice.chunk.requested.v1"

    corpus_id: UUID
    text: ObjectRef
    max_tokens: Annotated[int, Field(ge=8)]
    overlap_tokens: Annotated[int, Field(ge=0)]


class DocumentChunked(StageReport):
    """The text was split. `chunks` refers to a `shared.contracts.documents.ChunkList`."""

    event_type: ClassVar[str] = "dev.sluice.document.chunked.v1"

    chunks: ObjectRef
    count: Annotated[int, Field(ge=0)]
    tokens: Annotated[int, Field(ge=0)]
    chunker: Annotated[str, Field(max_length=200)]
    claimed: Claimed = True


class DocumentEmbedded(StageReport):
    """The document's new chunks replaced the old ones, in one transaction, before this was sent."""

    event_type: ClassVar[str] = "dev.sluice.document.embedded.v1"

    chunks: int
    tokens: int
    model: str
    dimension: int
    claimed: Claimed = True


class StageFailed(StageReport):
    """A stage could not do its part for one document."""

    event_type: ClassVar[str] = "dev.sluice.stage.failed.v1"

    stage: FailedStage
    kind: FailureKind
    code: ErrorCode
    message: Sentence
    retry_after_s: Annotated[float, Field(ge=0)] | None = None
    claimed: Claimed = True


class PipelineTick(Payload):
    """Look for what is overdue. Carries nothing and needs no signature: a rate-limited, idempotent nudge."""

    event_type: ClassVar[str] = "dev.sluice.pipeline.tick.v1"
