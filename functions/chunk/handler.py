"""A stored text in, its stored chunks out; or a text in, its chunks out, for those who call directly."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from functions.chunk.spans import Sizes, Span
from functions.chunk.tokens import Chunker
from observe import profiling
from shared.auth.context import CallerContext
from shared.contracts.documents import ChunkList, ChunkSpan
from shared.contracts.payload import ObjectRef
from shared.contracts.stages import ChunkRequested, DocumentChunked, FailureKind, StageFailed
from shared.errors import InvalidInput, Permanent, StageFailure, Transient
from shared.events.event import CloudEvent, Json
from shared.stage_measures import Work
from shared.tally import SharedProcessor, Tally


class Objects(Protocol):
    """The object store, as far as this stage needs it."""

    async def get(self, ref: ObjectRef) -> bytes: ...

    async def put(self, corpus_id: str, kind: str, content: bytes) -> ObjectRef: ...


@dataclass(frozen=True)
class Resources:
    """`sizes` are for direct calls that name none."""

    objects: Objects
    chunker: Chunker
    sizes: Sizes
    processor: SharedProcessor = field(default_factory=SharedProcessor)


async def chunk_requested(
    asked: ChunkRequested, resources: Resources, event: CloudEvent
) -> DocumentChunked | StageFailed:
    """`Unavailable` passes through: the broker asks again. Everything else is the document's fate."""
    work, tally = Work("chunking"), Tally()
    report: DocumentChunked | StageFailed
    try:
        with resources.processor.charge(tally):
            report = await _chunk_document(asked, resources)
        work.ended("passed")
    except (StageFailure, InvalidInput) as failure:
        kind: FailureKind = "transient" if isinstance(failure, Transient) else "permanent"
        work.failed(kind, failure.code)
        report = StageFailed(
            job_id=asked.job_id,
            document_id=asked.document_id,
            token=asked.token,
            stage="chunking",
            kind=kind,
            code=failure.code,
            message=failure.message,
            retry_after_s=failure.retry_after_s,
        )
    return report.model_copy(update={"spent": tally.spent()})


async def _chunk_document(asked: ChunkRequested, resources: Resources) -> DocumentChunked:
    sizes = Sizes(asked.max_tokens, asked.overlap_tokens)
    text = _decoded(await resources.objects.get(asked.text))
    spans = await asyncio.to_thread(profiling.in_thread(resources.chunker.chunk), text, sizes)
    if not spans:
        raise Permanent("no_text", "the page has no text to index")
    name = resources.chunker.name(sizes)
    content = ChunkList(text_sha256=asked.text.sha256, chunker=name, spans=tuple(map(_contract, spans)))
    stored = await resources.objects.put(str(asked.corpus_id), "chunks", content.model_dump_json().encode())
    return DocumentChunked(
        job_id=asked.job_id,
        document_id=asked.document_id,
        token=asked.token,
        chunks=stored,
        count=len(spans),
        tokens=sum(span.tokens for span in spans),
        chunker=name,
    )


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Permanent("text_invalid", "the stored text is not UTF-8; the document must be fetched again") from None


def _contract(span: Span) -> ChunkSpan:
    return ChunkSpan(start=span.start, end=span.end, tokens=span.tokens)


async def chunk_text(body: Json, caller: CallerContext, resources: Resources) -> Json:
    """`{"text", "max_tokens"?, "overlap_tokens"?}`; without text there are simply no chunks."""
    text, sizes = read_call(body, resources.sizes)
    spans = await asyncio.to_thread(profiling.in_thread(resources.chunker.chunk), text, sizes)
    return describe(text, spans, resources.chunker.name(sizes))


def read_call(body: Json, default: Sizes) -> tuple[str, Sizes]:
    """Raises `InvalidInput` that names the field. Overlap defaults to less where the chunks are small."""
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        raise InvalidInput("text_missing", 'send {"text": "…"}', field="text")
    text = str(body["text"])
    if any("\ud800" <= character <= "\udfff" for character in set(text)):
        raise InvalidInput("text_invalid", "text holds a lone surrogate, which is no character", field="text")
    most = _whole(body, "max_tokens", default.max_tokens)
    return text, Sizes(most, _whole(body, "overlap_tokens", min(default.overlap_tokens, most // 2)))


def _whole(body: dict[str, Json], name: str, default: int) -> int:
    value = body.get(name, default)
    if type(value) is not int:
        raise InvalidInput(f"{name}_invalid", f"{name} must be a whole number", field=name)
    return value


def describe(text: str, spans: list[Span], chunker: str) -> dict[str, Json]:
    """Chunks with their text, as a direct call answers and the command line prints."""
    chunks: list[Json] = [
        {"ordinal": ordinal, "start": start, "end": end, "tokens": tokens, "text": text[start:end]}
        for ordinal, (start, end, tokens) in enumerate(spans)
    ]
    return {"chunks": chunks, "count": len(chunks), "tokens": sum(span.tokens for span in spans), "chunker": chunker}
