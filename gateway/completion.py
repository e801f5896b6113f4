"""The callback of workers outside the platform: what became of a stage of a document. Our own services only."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.resources import Caller, Opened, Resources
from gateway.views import DocumentState
from observe import context
from observe.vocabulary import clean
from shared.contracts.documents import ChunkList
from shared.contracts.envelope import to_event
from shared.contracts.payload import DocumentPayload, ErrorCode, ObjectRef, Sentence
from shared.contracts.stages import (
    DocumentChunked,
    DocumentEmbedded,
    DocumentScraped,
    FailedStage,
    FailureKind,
    StageFailed,
)
from shared.errors import Conflict, InvalidInput, NotFound, StageFailure
from shared.events.ids import derived_id
from shared.store import reports
from shared.store.reports import Reported

KINDS: dict[FailedStage, str] = {"scraping": "text", "chunking": "chunks"}


class Completion(BaseModel):
    """What a worker reports. `document_id` and `token` may be left out for a job of one document.

    `content_ref` is the key of what it stored in the corpus's folder of the object store: a text after scraping, a list
    of chunks after chunking. After embedding the vectors are in the database already.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"stage": "scraping", "status": "failed", "error_code": "http_404", "error_message": "the page is gone"}
            ]
        },
    )

    document_id: UUID | None = None
    token: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stage: FailedStage
    status: Literal["success", "failed"]
    content_ref: Annotated[str, Field(max_length=512)] | None = None
    error_code: ErrorCode | None = None
    error_message: Sentence | None = None
    error_kind: FailureKind = "permanent"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "failed" and self.error_code is None:
            raise ValueError("a failure needs an error_code")
        if self.status == "success" and self.content_ref is None and self.stage != "embedding":
            raise ValueError("a success needs a content_ref")
        return self


class Completed(BaseModel):
    """Where the document stands now. What came twice or too late changed nothing."""

    document_id: UUID
    status: DocumentState
    token: int


async def complete(job_id: UUID, body: Completion, _caller: Caller, resources: Opened) -> Completed:
    """Takes the result of a stage. Reporting it again changes nothing."""
    document = await _document(job_id, body, resources)
    token = document.token if body.token is None else body.token
    if token == document.token and document.awaits(body.stage):
        payload = await _payload(body, document, token, resources)
        event_id = derived_id(str(document.id), "completed", body.stage, str(token))
        # What follows is about this page, whoever sent the report, and whatever trace that was in.
        with context.entered(context.current(), {"job.id": str(job_id), "job.url": clean(document.url)}):
            event = to_event(payload, source="/gateway", cause=None, time=resources.store.clock.now(), id=event_id)
            await resources.functions.send("orchestrator", event)
        document = await _document(job_id, body.model_copy(update={"document_id": document.id}), resources)
    return Completed.model_validate({"document_id": document.id, "status": document.state, "token": document.token})


async def _document(job_id: UUID, body: Completion, resources: Resources) -> Reported:
    found = await reports.documents(resources.store, job_id, body.document_id)
    if not found:
        raise NotFound("document_not_found", "there is no such document in this job")
    if body.document_id is None and len(found) > 1:
        raise InvalidInput("document_id_missing", "the job has several documents: name one", field="document_id")
    if body.token is None and found[0].siblings:
        raise InvalidInput("token_missing", "the job has several documents: say under which token", field="token")
    return found[0]


async def _payload(body: Completion, document: Reported, token: int, resources: Resources) -> DocumentPayload:
    who = {"job_id": document.job_id, "document_id": document.id, "token": token}
    if body.status == "failed":
        failed = {"stage": body.stage, "kind": body.error_kind, "code": body.error_code}
        message = body.error_message or "the worker gave no reason"
        return StageFailed(**who, **failed, message=message, claimed=False)
    if body.stage == "embedding":
        indexed = await reports.indexed(resources.store, document.id)
        if indexed is None:
            raise Conflict("not_indexed", "write the document's chunks first: search does not see them")
        return DocumentEmbedded(**who, **indexed, claimed=False)
    ref = await _stored(body, document, resources)
    if body.stage == "scraping":
        return DocumentScraped(
            **who, text=ref, final_url=document.url, fetched_at=resources.store.clock.now(), claimed=False
        )
    chunks = await _chunks(ref, resources)
    tokens = sum(span.tokens for span in chunks.spans)
    return DocumentChunked(**who, chunks=ref, count=len(chunks.spans), tokens=tokens, chunker=chunks.chunker)


async def _stored(body: Completion, document: Reported, resources: Resources) -> ObjectRef:
    prefix = f"corpora/{document.corpus_id}/{KINDS[body.stage]}/"
    ref = None
    if body.content_ref is not None and body.content_ref.startswith(prefix):
        ref = await resources.objects.describe(body.content_ref)
    if ref is None:
        raise InvalidInput("content_ref_unknown", f"nothing of that name is stored under {prefix}", field="content_ref")
    return ref


async def _chunks(ref: ObjectRef, resources: Resources) -> ChunkList:
    try:
        return ChunkList.model_validate_json(await resources.objects.get(ref))
    except (ValidationError, StageFailure):
        raise InvalidInput(
            "content_ref_invalid", "what is stored there is no list of chunks", field="content_ref"
        ) from None
