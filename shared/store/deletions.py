"""A corpus goes for good: marked at once, removed in small batches, with a row that stays as the proof."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.contracts.jobs import CorpusDeleteRequested
from shared.events.event import CloudEvent
from shared.store import traces
from shared.store.audit import add_audit
from shared.store.costs import fold_costs
from shared.store.jobs import received
from shared.store.queries import load
from shared.store.store import Row, Store
from shared.store.vector_index import drop_index

_SQL: Final = load("deletions")
_BATCH: Final = 500
# So long nobody else takes a deletion that somebody is at.
HOLD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Deletion:
    """One under way. With `removed_at` only stragglers are left to look for."""

    id: UUID
    caller_id: str
    corpus_id: UUID
    corpus: str
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeletionView:
    """`removed` counts what there was, by kind. `verified_at`: late results of work under way were looked for, too."""

    id: UUID
    corpus_id: UUID
    corpus: str
    requested_at: datetime
    removed_at: datetime | None
    verified_at: datetime | None
    removed: Mapping[str, int]


async def begin(store: Store, event: CloudEvent, payload: CorpusDeleteRequested, now: datetime) -> None:
    """From the commit on the corpus is gone for its caller, and everything under way in it has lost its claim."""
    async with store.transaction() as connection:
        if not await received(connection, event, now):
            return
        corpus_id = await connection.fetchval(
            _SQL["begin"], payload.deletion_id, payload.caller_id, payload.corpus, now
        )
        if corpus_id is None:
            return
        await connection.execute(_SQL["stop_jobs"], corpus_id, now)
        stopped = await connection.fetch(_SQL["stop_documents"], corpus_id, now, traces.most())
        pinned = Store(store.pool, connection)
        await add_audit(
            pinned,
            caller_id=payload.caller_id,
            action="corpus.delete_requested",
            now=now,
            request_id=payload.request_id,
            subject=payload.corpus,
            detail={"deletion_id": str(payload.deletion_id), "corpus_id": str(corpus_id)},
        )
    traces.called_off(stopped, now)


async def take(store: Store, deletion_id: UUID, now: datetime) -> Deletion | None:
    """None when it is over, or there is none."""
    row = await store.fetch_row(_SQL["take"], deletion_id, now + timedelta(seconds=HOLD_S))
    return Deletion(**row) if row else None


async def take_due(store: Store, now: datetime) -> Deletion | None:
    row = await store.fetch_row(_SQL["take_due"], now, now + timedelta(seconds=HOLD_S))
    return Deletion(**row) if row else None


async def due_again(store: Store, deletion: Deletion, now: datetime) -> None:
    """Whoever comes next may go on with it."""
    await store.fetch(_SQL["due_again"], deletion.id, now)


async def settle_costs(store: Store, deletion: Deletion) -> None:
    """Before rows go: what was spent is in their callers' sums then, and no late sum brings a row back."""
    while await fold_costs(store, deletion.corpus_id):
        pass


async def remove_some(store: Store, deletion: Deletion) -> bool:
    """The next batch of rows; False when only jobs are left."""
    for kind in ("pages", "documents"):
        if await _removed(store, deletion, _SQL[kind], deletion.corpus_id, _BATCH):
            return True
    return False


async def some_jobs(store: Store, deletion: Deletion) -> Sequence[UUID]:
    return [row["id"] for row in await store.fetch(_SQL["jobs"], deletion.corpus_id, _BATCH)]


async def remove_jobs(store: Store, deletion: Deletion, job_ids: Sequence[UUID]) -> None:
    await _removed(store, deletion, _SQL["remove_jobs"], list(job_ids))


async def remove_index(store: Store, deletion: Deletion) -> None:
    """First of all: without it, removing vectors costs a fraction."""
    await drop_index(store, deletion.corpus_id)


async def tally(store: Store, deletion: Deletion, removed: Mapping[str, int]) -> None:
    await store.fetch(_SQL["tally"], deletion.id, json.dumps(dict(removed)))


async def finish(store: Store, deletion: Deletion, now: datetime, look_again: datetime) -> None:
    """The corpus's own row goes last, and the audit says what went with it."""
    async with store.transaction() as connection:
        await connection.execute(_SQL["remove_corpus"], deletion.corpus_id)
        await connection.execute(load("costs")["forget_corpus"], deletion.corpus_id)
        removed = await connection.fetchval(_SQL["finish"], deletion.id, now, look_again)
        if removed is not None:
            await add_audit(
                Store(store.pool, connection),
                caller_id=deletion.caller_id,
                action="corpus.deleted",
                now=now,
                subject=deletion.corpus,
                detail={"deletion_id": str(deletion.id), "removed": json.loads(removed)},
            )


async def verify(store: Store, deletion: Deletion, now: datetime) -> None:
    await store.fetch(_SQL["verify"], deletion.id, now)


async def left(store: Store, corpus_id: UUID) -> dict[str, int]:
    """Rows of a corpus by table; all zero when it is gone."""
    row = await store.fetch_row(_SQL["left"], corpus_id)
    assert row is not None
    return dict(row)


async def get_deletion(store: Store, caller_id: str, deletion_id: UUID) -> DeletionView | None:
    row = await store.fetch_row(_SQL["get"], caller_id, deletion_id)
    return _view(row) if row else None


async def list_deletions(
    store: Store, caller_id: str, *, limit: int = 50, after: tuple[datetime, UUID] | None = None
) -> list[DeletionView]:
    """Newest first."""
    return [_view(row) for row in await store.fetch(_SQL["list"], caller_id, *(after or (None, None)), limit)]


async def _removed(store: Store, deletion: Deletion, sql: str, *values: object) -> bool:
    """One batch and its count, together."""
    async with store.transaction() as connection:
        row = await connection.fetchrow(sql, *values)
        counts = dict(row) if row else {}
        if not any(counts.values()):
            return False
        await connection.execute(_SQL["tally"], deletion.id, json.dumps(counts))
    return True


def _view(row: Row) -> DeletionView:
    return DeletionView(**dict(row) | {"removed": json.loads(row["removed"])})
