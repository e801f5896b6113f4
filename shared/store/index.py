"""Swaps the chunks of a page, all at once."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from shared.errors import InvalidInput
from shared.store.claims import EmbedClaim
from shared.store.queries import load
from shared.store.store import Store

_SQL: Final = load("index")


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """`[start, end)` in code points. `vector` is any sequence of floats (an `array('f')` is the cheapest)."""

    ordinal: int
    start: int
    end: int
    tokens: int
    text: str
    vector: Sequence[float]


async def swap_chunks(store: Store, claim: EmbedClaim, chunks: Sequence[IndexedChunk], now: datetime) -> bool:
    """One transaction: the page's metadata and chunks become those of this claim's document.

    False when the claim is no longer ours (say nothing then). A page fetched later than this document stays as it is,
    and one that asked since not to be found stays away; the answer is True: something newer is known of it.
    Vectors must have the corpus's dimension: `InvalidInput`.
    """
    if any(len(chunk.vector) != claim.dimension for chunk in chunks):
        raise InvalidInput("wrong_dimension", f"vectors of this corpus have {claim.dimension} dimensions")
    async with store.transaction() as connection:
        page = await connection.fetchrow(_SQL["take_page"], claim.document_id, claim.token, uuid4(), now)
        if page is not None and page["page_id"] is not None:
            # A statement of its own: its snapshot must see what the page's last owner committed.
            where = (page["page_id"], page["corpus_id"], page["model"], page["dimension"])
            await connection.execute(_SQL["replace_chunks"], *where, *_columns(chunks))
    return page is not None


def _columns(chunks: Sequence[IndexedChunk]) -> tuple[object, ...]:
    vectors = array("f")
    for chunk in chunks:
        vectors.extend(chunk.vector)
    return (
        [chunk.ordinal for chunk in chunks],
        [chunk.start for chunk in chunks],
        [chunk.end for chunk in chunks],
        [chunk.tokens for chunk in chunks],
        [chunk.text.replace("\0", " ") for chunk in chunks],
        vectors,
    )
