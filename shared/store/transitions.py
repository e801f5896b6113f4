"""Applies an event: inbox, decision, compare-and-swap, counts and outbox, with an effect once."""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, assert_never

from shared.contracts.jobs import JobCancelRequested, JobReplayRequested
from shared.contracts.payload import ObjectRef, Payload
from shared.contracts.stages import DocumentChunked, DocumentEmbedded, DocumentScraped, FailedStage, StageFailed
from shared.errors import InvalidInput
from shared.events.event import CloudEvent, Json
from shared.pipeline.advance import advance
from shared.pipeline.costs import cost_of
from shared.pipeline.decision import Ignored
from shared.pipeline.facts import Chunked, DocumentView, Embedded, Failed, Result, Scraped
from shared.pipeline.policy import PATIENT, Policy
from shared.pipeline.states import IN_HAND, UNFINISHED, WAITS_IN, State
from shared.store.jobs import cancel_job, end_job, replay_job
from shared.store.moves import Step, perform
from shared.store.removals import Stored, cannot_look, still_there
from shared.store.store import Store
from shared.store.views import read_view, view_of

if TYPE_CHECKING:
    import asyncpg

_STAGE: Final[dict[type, FailedStage]] = {
    DocumentScraped: "scraping",
    DocumentChunked: "chunking",
    DocumentEmbedded: "embedding",
}
_Report = DocumentScraped | DocumentChunked | DocumentEmbedded | StageFailed


async def apply(
    store: Store,
    event: CloudEvent,
    payload: Payload,
    now: datetime,
    policy: Policy = PATIENT,
    stored: Stored = cannot_look,
) -> list[CloudEvent]:
    """A document's event or a job's cancel or replay. The events to send on; none for a duplicate or a late event.

    `stored` tells whether an object is there; it is asked only about what housekeeping was just removing.
    """
    match payload:
        case DocumentScraped() | DocumentChunked() | DocumentEmbedded() | StageFailed():
            async with store.pinned() as pinned:
                return await _report(pinned, event, payload, now, policy, stored)
        case JobCancelRequested():
            return await cancel_job(store, event, payload, now)
        case JobReplayRequested():
            return await replay_job(store, event, payload, now, policy)
        case _:
            raise InvalidInput("unexpected_event_type", "this event type moves nothing here", field="type")


async def _report(
    store: Store, event: CloudEvent, payload: _Report, now: datetime, policy: Policy, stored: Stored
) -> list[CloudEvent]:
    keys = [ref.key for ref in _refs(payload).values()]
    row = await read_view(store, payload.document_id, keys)
    if row is None or row["job_id"] != payload.job_id:
        return []
    if row["removed"] and not await still_there(store, keys, stored):
        payload = _to_be_done_again(payload)
    view = view_of(row) if payload.claimed else _as_claimed(view_of(row), payload, now)
    decision = advance(view, _fact(payload), now, policy, _jitter(event))
    if isinstance(decision, Ignored):
        return []
    unchanged = decision.state is State.UNCHANGED
    learns = (
        payload.chunker if isinstance(payload, DocumentChunked) and payload.chunker != row["corpus_chunker"] else None
    )
    brings = _brings(payload) | (_shown(row) if unchanged else {})
    step = Step(row, decision, brings, event, learns, cost_of(payload))
    events = await perform(store, step, now)
    if events is None:
        return []
    return events if decision.state in UNFINISHED else events + await end_job(store, payload.job_id, event, now)


def _as_claimed(view: DocumentView, payload: _Report, now: datetime) -> DocumentView:
    """Under a token that nobody has claimed, whoever reports is taken for its holder: a claim would have raised it."""
    stage = _STAGE[type(payload)] if not isinstance(payload, StageFailed) else payload.stage
    waits = view.state is WAITS_IN[stage] and view.lease_until is None and stage != "chunking"
    return replace(view, state=IN_HAND[stage], lease_until=now) if waits else view


def _refs(payload: _Report) -> dict[str, ObjectRef]:
    """The objects that the document's row will refer to."""
    match payload:
        case DocumentScraped():
            return {"text": payload.text} if payload.text else {}
        case DocumentChunked():
            return {"chunks": payload.chunks}
        case DocumentEmbedded() | StageFailed():
            return {}
        case _:
            assert_never(payload)


def _to_be_done_again(payload: _Report) -> StageFailed:
    return StageFailed(
        job_id=payload.job_id,
        document_id=payload.document_id,
        token=payload.token,
        stage="scraping" if isinstance(payload, DocumentScraped) else "chunking",
        kind="interrupted",
        code="object_removed",
        message="the same content was being removed as no longer needed; it is made again",
        spent=payload.spent,
    )


def _fact(payload: _Report) -> Result:
    match payload:
        case DocumentScraped():
            return Scraped(payload.token, payload.text.sha256 if payload.text else None)
        case DocumentChunked():
            return Chunked(payload.token, payload.chunker)
        case DocumentEmbedded():
            return Embedded(payload.token)
        case StageFailed():
            return Failed(
                payload.token, payload.stage, payload.kind, payload.code, payload.message, payload.retry_after_s
            )
        case _:
            assert_never(payload)


def _brings(payload: _Report) -> dict[str, Json]:
    """What the report adds to the document's row."""
    refs = {column: value for part, ref in _refs(payload).items() for column, value in _ref(part, ref).items()}
    match payload:
        case DocumentScraped():
            known = payload.model_dump(
                mode="json", exclude={"job_id", "document_id", "token", "text", "claimed", "spent"}
            )
            scraped = {name: _clean(value) for name, value in known.items()}
            return {"scraped": scraped} | refs
        case DocumentChunked():
            counts: dict[str, Json] = {
                "chunker": payload.chunker,
                "chunks": payload.count,
                "tokens": payload.tokens,
            }
            return counts | refs
        case DocumentEmbedded() | StageFailed():
            return {}
        case _:
            assert_never(payload)


def _ref(part: str, ref: ObjectRef) -> dict[str, Json]:
    return {f"{part}_key": ref.key, f"{part}_sha256": ref.sha256, f"{part}_size": ref.size_bytes}


def _shown(row: "asyncpg.Record") -> dict[str, Json]:
    """An unchanged document has the chunks that search sees already."""
    return {"chunks": row["page_chunks"], "tokens": row["page_tokens"]}


def _clean(value: Json) -> Json:
    """Postgres stores every character but NUL."""
    return value.replace("\0", "") if isinstance(value, str) else value


def _jitter(event: CloudEvent) -> float:
    """In [0, 1), the same each time for the same event."""
    return int.from_bytes(hashlib.sha256(event.id.encode()).digest()[:6]) / 2**48
