"""Swaps the chunks of a page, all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.store.claims import EmbedClaim
from shared.store.store import Store


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
    and the answer is True: the index holds something newer. Vectors must have the corpus's dimension: `InvalidInput`.
    """
    raise NotImplementedError
