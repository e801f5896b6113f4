"""What work took, by document, job, caller and corpus: appended, folded, and read as the sum of both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from uuid import UUID

from shared.pipeline.costs import Cost
from shared.store.queries import load
from shared.store.store import Row, Store

if TYPE_CHECKING:
    from shared.store.store import Connection

_SQL: Final = load("costs")
_BATCH: Final = 5000
By: TypeAlias = Literal["caller", "corpus", "day", "hour"]


@dataclass(frozen=True, slots=True)
class CostGroup:
    """`caller_id`, `corpus` and `since` are those that the groups are made by; a corpus that is gone has no name."""

    caller_id: str | None
    corpus: str | None
    since: datetime | None
    cost: Cost


@dataclass(frozen=True, slots=True)
class Hours:
    """Whole hours, from `since` on and before `before`."""

    since: datetime | None = None
    before: datetime | None = None


def as_json(cost: Cost | None) -> str | None:
    """As the statements take it that append."""
    return None if cost is None else json.dumps(asdict(cost))


async def add_cost(
    connection: "Connection",
    document_id: UUID,
    job_id: UUID,
    corpus_id: UUID,
    caller_id: str,
    cost: Cost,
    now: datetime,
) -> None:
    """For what does not end in a move of a document: those append their cost themselves."""
    await connection.execute(_SQL["add"], document_id, job_id, corpus_id, caller_id, now, as_json(cost))


async def fold_costs(store: Store, corpus_id: UUID | None = None) -> int:
    """Adds appended costs to their sums; how many. Readers see the same before and after."""
    row = await store.fetch_row(_SQL["fold"], _BATCH, corpus_id)
    return int(row["folded"]) if row else 0


async def job_cost(store: Store, job_id: UUID) -> Cost:
    """Whose job it is has been asked before."""
    row = await store.fetch_row(_SQL["of_job"], job_id)
    return _cost(row) if row else Cost()


async def document_costs(store: Store, documents: Mapping[UUID, UUID]) -> dict[UUID, Cost]:
    """Of documents, given with their jobs. Whose they are has been asked before."""
    rows = await store.fetch(_SQL["of_documents"], list(documents), list(set(documents.values())))
    found = {row["document_id"]: _cost(row) for row in rows}
    return {document_id: found.get(document_id, Cost()) for document_id in documents}


async def caller_costs(
    store: Store, caller_id: str, hours: Hours, *, corpus_id: UUID | None = None, by: By | None = None, limit: int = 1
) -> Sequence[CostGroup]:
    """The newest or dearest groups; without `by` the sum alone, or nothing where nothing was spent."""
    when = (hours.since, hours.before)
    return [_group(row) for row in await store.fetch(_SQL["of_caller"], caller_id, corpus_id, *when, by, limit)]


async def all_costs(
    store: Store, hours: Hours, *, corpus_id: UUID | None = None, by: By | None = None, limit: int = 1
) -> Sequence[CostGroup]:
    """Of all callers; else as `caller_costs`."""
    rows = await store.fetch(_SQL["of_all"], by, hours.since, hours.before, limit, corpus_id)
    return [_group(row) for row in rows]


def _group(row: Row) -> CostGroup:
    return CostGroup(row["caller_id"], row["corpus"], row["since"], _cost(row))


def _cost(row: Row) -> Cost:
    return Cost(**{field.name: row[field.name] for field in fields(Cost)})
