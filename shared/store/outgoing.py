"""The events that moves give rise to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from shared.contracts.envelope import to_event
from shared.contracts.jobs import DocumentIndexed
from shared.contracts.payload import ObjectRef, Payload
from shared.contracts.stages import ChunkRequested
from shared.events.event import CloudEvent, Json
from shared.events.ids import derived_id
from shared.pipeline.decision import Move
from shared.pipeline.states import State
from shared.store import traces
from shared.store.store import Row

SOURCE: Final = "/functions/orchestrator"


def emitted(payload: Payload, cause: CloudEvent | None, now: datetime) -> CloudEvent:
    return to_event(payload, source=SOURCE, cause=cause, time=now)


def chunk_request(
    row: "Row", move: Move, brings: Mapping[str, Json], cause: CloudEvent | None, now: datetime
) -> CloudEvent:
    """Each nudge is an event of its own, under the same token."""
    key, sha256, size = (brings.get(name, row[name]) for name in ("text_key", "text_sha256", "text_size"))
    payload = ChunkRequested(
        job_id=row["job_id"],
        document_id=row["id"],
        token=move.token,
        corpus_id=row["corpus_id"],
        text=ObjectRef(key=key, sha256=sha256, size_bytes=size),
        max_tokens=row["chunk_max_tokens"],
        overlap_tokens=row["chunk_overlap_tokens"],
    )
    event_id = derived_id(str(row["id"]), payload.event_type, move.token, move.nudges)
    # Without a cause it is a sweep that asks, whose own work this is not.
    trace = None if cause else traces.life(row).format()
    return to_event(payload, source=SOURCE, cause=cause, time=now, id=event_id, traceparent=trace)


def announce(row: "Row", move: Move, brings: Mapping[str, Json], cause: CloudEvent | None, now: datetime) -> CloudEvent:
    """A document is searchable."""
    payload = DocumentIndexed(
        job_id=row["job_id"],
        document_id=row["id"],
        token=move.token,
        url=row["url"],
        corpus=row["corpus"],
        chunks=brings.get("chunks", row["chunks"]) or 0,
        tokens=brings.get("tokens", row["tokens"]) or 0,
        unchanged=move.state is State.UNCHANGED,
    )
    return emitted(payload, cause, now)
