"""Whether the object store holds what the tables count on, and the index what the texts say."""

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared.contracts.payload import ObjectRef
from shared.errors import Permanent, Transient
from shared.objects import ObjectStore
from shared.store.queries import load
from shared.store.store import Store
from shared.verification.findings import Check, Finding
from shared.verification.tables import of_page

if TYPE_CHECKING:
    import asyncpg

_SQL: Final = load("verify")


async def contents(store: Store, objects: ObjectStore, corpus_id: UUID, *, deep: bool) -> AsyncIterator[Finding]:
    """`deep` reads every object, and compares every passage with the text it was cut from."""
    rows = await store.fetch(_SQL["references"], corpus_id)
    # Stored before it is referred to: listed after the references, what is not there is gone.
    there = {key async for key in objects.list(f"corpora/{corpus_id}/")}
    for row in rows:
        if row["key"] not in there:
            if await store.fetch(_SQL["still_referenced"], corpus_id, row["key"]):
                yield await _about(store, row, "object_missing", "the stored object is gone")
        elif deep and (found := await _read(store, objects, corpus_id, row)) is not None:
            yield found


async def _read(store: Store, objects: ObjectStore, corpus_id: UUID, row: "asyncpg.Record") -> Finding | None:
    key: str = row["key"]
    try:
        content = await objects.get(ObjectRef(key=key, sha256=key.rpartition("/")[2], size_bytes=0))
    except (Permanent, Transient) as exc:
        if not await store.fetch(_SQL["still_referenced"], corpus_id, key):
            return None
        return await _about(store, row, "object_corrupt", exc.message)
    if row["page_id"] is None:
        return None
    wrong = unlike(content.decode(), await store.fetch(_SQL["passages"], row["page_id"]))
    return await _about(store, row, "text_mismatch", wrong) if wrong else None


async def _about(store: Store, row: "asyncpg.Record", check: Check, what: str) -> Finding:
    sentence = f"{row['url']}: {what}"
    if row["page_id"] is not None:
        return await of_page(store, row["page_id"], row["document_id"], check, sentence)
    return Finding(check, row["document_id"], sentence, "refetch", row["document_id"])


def unlike(text: str, passages: "Iterable[asyncpg.Record]") -> str | None:
    """How passages differ from the text they cover; spans are code points, and only white space may lie between."""
    covered = 0
    for passage in passages:
        start, end = passage["start_at"], passage["end_at"]
        if text[start:end].replace("\0", " ") != passage["text"]:
            return f"passage {passage['ordinal']} is not what stands in the text"
        if text[covered:start].strip():
            return f"the text before passage {passage['ordinal']} is in no passage"
        covered = max(covered, end)
    return "the end of the text is in no passage" if text[covered:].strip() else None
