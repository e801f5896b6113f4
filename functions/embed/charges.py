"""Who pays for a request that held texts of many documents."""

from collections.abc import Sequence
from typing import TypeVar

from functions.embed.core import Item

T = TypeVar("T")


def share(batch: Sequence[Item[T]], cpu_s: float, *, sent: bool) -> None:
    """Charges one request to those whose texts were in it, by their tokens. Not `sent`: nobody was there to take it."""
    total = sum(item.tokens for item in batch)
    for item in batch:
        part = item.tokens / total if total else 1 / len(batch)
        item.payer.cpu_s += cpu_s * part
        if sent:
            item.payer.embed_requests += part
            item.payer.embedded_tokens += item.tokens
