"""The corpus routes: what there is, all of it as lines of JSON, and gone for good."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from gateway import cursors
from gateway.jobs import tell
from gateway.parameters import Cursor, Limit
from gateway.resources import Caller, Opened, Resources
from shared.contracts.jobs import CorpusDeleteRequested
from shared.errors import NotFound, Unavailable
from shared.events.ids import derived_id
from shared.store import deletions, exports, reads
from shared.store.deletions import DeletionView
from shared.store.reads import Corpus

NDJSON = "application/x-ndjson"
DELETIONS = "/api/corpus-deletions"
WAIT_S, POLL_S = 10.0, 0.2

Name = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]


class CorpusPage(BaseModel):
    """By name; `next` is the cursor of the page after this one."""

    corpora: list[Corpus]
    next: str | None


class Removed(BaseModel):
    """How much of each there was."""

    pages: int = 0
    chunks: int = 0
    documents: int = 0
    failures: int = 0
    jobs: int = 0
    webhook_deliveries: int = 0
    objects: int = 0


class Left(BaseModel):
    """What is still there of it, counted now."""

    corpora: int
    jobs: int
    documents: int
    pages: int
    chunks: int
    objects: int


class Deletion(BaseModel):
    """The proof that a corpus is gone. `verified_at`: what was under way in it has been looked for, too."""

    deletion_id: UUID
    corpus: str
    status: str
    requested_at: datetime
    removed_at: datetime | None
    verified_at: datetime | None
    removed: Removed
    left: Left | None = None

    @classmethod
    def of(cls, view: DeletionView, left: Left | None = None) -> Self:
        return cls(
            deletion_id=view.id,
            corpus=view.corpus,
            status="deleted" if view.removed_at else "deleting",
            requested_at=view.requested_at,
            removed_at=view.removed_at,
            verified_at=view.verified_at,
            removed=Removed(**view.removed),
            left=left,
        )


class DeletionPage(BaseModel):
    """Newest first; `next` is the cursor of the page after this one."""

    deletions: list[Deletion]
    next: str | None


async def list_corpora(caller: Caller, resources: Opened, limit: Limit = 100, cursor: Cursor = None) -> CorpusPage:
    """The caller's corpora, by name."""
    after = "" if cursor is None else cursors.decode(cursor, _name)
    found = await reads.list_corpora(resources.store, caller.caller_id, limit=limit + 1, after=after)
    page = found[:limit]
    more = cursors.encode(page[-1].name) if len(found) > limit else None
    return CorpusPage(corpora=page, next=more)


async def show(corpus: Name, caller: Caller, resources: Opened) -> Corpus:
    """One corpus, with what it holds."""
    return await _reached(resources, caller.caller_id, corpus)


_LINE = '{"url": "https://example.org/guide", "ordinal": 0, "text": "Leases expire.", "vector": [0.12, -0.08]}\n'
EXPORT_OPENAPI = {"responses": {"200": {"content": {NDJSON: {"schema": {"type": "string"}, "example": _LINE}}}}}
_LATER = {"application/json": {"schema": {"$ref": "#/components/schemas/Deletion"}}}
DELETE_OPENAPI = {"responses": {"202": {"description": "it takes longer; see Location", "content": _LATER}}}


async def export(
    corpus: Name,
    caller: Caller,
    resources: Opened,
    vectors: Annotated[bool, Query(description="false leaves the vectors out")] = True,
) -> Response:
    """Every chunk as a line of JSON, with its page and its vector, streamed page by page in the order of their URLs.

    Each page is of one version; pages that are indexed meanwhile may be in it or not.
    """
    view = await _reached(resources, caller.caller_id, corpus)
    headers = {"Content-Disposition": f'attachment; filename="{corpus}.jsonl"'}
    return StreamingResponse(_lines(resources, view, vectors=vectors), media_type=NDJSON, headers=headers)


async def delete(corpus: Name, caller: Caller, resources: Opened, response: Response) -> Deletion:
    """Removes a corpus for good: pages, chunks, vectors, documents, jobs, stored objects. What is under way in it ends.

    200 with the proof when all of it is gone, 202 when it takes longer: `Location` is where the proof will be.
    """
    view = await _own(resources, caller.caller_id, corpus)
    deletion_id = UUID(derived_id(str(view.corpus_id), "delete"))
    payload = CorpusDeleteRequested(
        deletion_id=deletion_id, caller_id=caller.caller_id, corpus=corpus, request_id=caller.request_id or None
    )
    await tell(resources, payload)
    until = asyncio.get_running_loop().time() + WAIT_S
    found = await deletions.get_deletion(resources.store, caller.caller_id, deletion_id)
    while found and not found.removed_at and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(POLL_S)
        found = await deletions.get_deletion(resources.store, caller.caller_id, deletion_id)
    if found is None:
        raise Unavailable("deletion_not_begun", "the corpus is still there; try again", retry_after_s=1)
    response.status_code = 200 if found.removed_at else 202
    response.headers["Location"] = f"{DELETIONS}/{deletion_id}"
    return Deletion.of(found, await _left(resources, found))


async def list_deletions(caller: Caller, resources: Opened, limit: Limit = 50, cursor: Cursor = None) -> DeletionPage:
    """The corpora that the caller had deleted."""
    after = None if cursor is None else cursors.decode_moment(cursor)
    found = await deletions.list_deletions(resources.store, caller.caller_id, limit=limit + 1, after=after)
    page = found[:limit]
    more = cursors.encode_moment(page[-1].requested_at, page[-1].id) if len(found) > limit else None
    return DeletionPage(deletions=[Deletion.of(view) for view in page], next=more)


async def show_deletion(deletion_id: UUID, caller: Caller, resources: Opened) -> Deletion:
    """The proof: what was removed, and what is left of it, counted now."""
    view = await deletions.get_deletion(resources.store, caller.caller_id, deletion_id)
    if view is None:
        raise NotFound("deletion_not_found", "there is no such deletion, or it is not yours")
    return Deletion.of(view, await _left(resources, view))


async def _reached(resources: Resources, caller_id: str, name: str) -> Corpus:
    """The caller's own, or one granted to it."""
    return _there(await reads.reach_corpus(resources.store, caller_id, name))


async def _own(resources: Resources, caller_id: str, name: str) -> Corpus:
    return _there(await reads.get_corpus(resources.store, caller_id, name))


def _there(view: Corpus | None) -> Corpus:
    """What another caller keeps to itself is not there."""
    if view is None:
        raise NotFound("corpus_not_found", "there is no such corpus, or it is not yours", field="corpus")
    return view


async def _lines(resources: Resources, corpus: Corpus, *, vectors: bool) -> AsyncIterator[str]:
    async for lines in exports.lines(resources.store, corpus.corpus_id, vectors=vectors):
        yield "\n".join(lines) + "\n"


async def _left(resources: Resources, view: DeletionView) -> Left:
    objects = 0
    async for _ in resources.objects.list(f"corpora/{view.corpus_id}/"):
        objects += 1
    return Left(**await deletions.left(resources.store, view.corpus_id), objects=objects)


def _name(text: str) -> str:
    if not 0 < len(text) <= 64 or not text.isascii():
        raise ValueError(text)
    return text
