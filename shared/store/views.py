"""A row of Postgres as what the state machine looks at."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared.pipeline.facts import DocumentView, Recipe, Version
from shared.pipeline.states import State
from shared.store.queries import load
from shared.store.store import Store

if TYPE_CHECKING:
    import asyncpg

_SQL: Final = load("transitions")


async def read_view(store: Store, document_id: UUID, keys: Sequence[str] = ()) -> "asyncpg.Record | None":
    """The document's row with its corpus, its job's trace and what search sees of its URL.

    `removed` says that one of these objects is being removed, or was lately.
    """
    return await store.fetch_row(_SQL["view"], document_id, keys)


def view_of(row: "asyncpg.Record") -> DocumentView:
    return DocumentView(
        state=State(row["state"]),
        token=row["token"],
        not_before=row["not_before"],
        recipe=Recipe(row["corpus_chunker"], row["chunk_max_tokens"], row["chunk_overlap_tokens"], row["model"]),
        attempt=row["attempt"],
        deaths=row["deaths"],
        nudges=row["nudges"],
        lease_until=row["lease_until"],
        reported=row["reported"],
        error_stage=row["error_stage"],
        text_sha256=row["text_sha256"],
        has_chunks=row["chunks_key"] is not None,
        indexed=_version(row),
    )


def _version(row: "asyncpg.Record") -> Version | None:
    if not row["page_sha256"]:  # no page yet, or one that must not be relied upon
        return None
    recipe = Recipe(row["page_chunker"], row["page_max_tokens"], row["page_overlap_tokens"], row["page_model"])
    return Version(row["page_sha256"], recipe)
