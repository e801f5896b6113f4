"""Fills batches, across documents, and takes them apart when they fail. Values in, values out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.contracts.documents import ChunkList, ChunkSpan
from shared.embeddings.answer import Model
from shared.errors import InvalidInput, Permanent
from shared.events.event import Json
from shared.tally import Tally

T = TypeVar("T")

MAX_TEXTS = 256
CHARS_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one request may hold. A single text over `max_tokens` still goes, alone."""

    max_tokens: int = 16_384
    max_texts: int = 256


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One text for one model; `owner` is whatever the caller needs to bring the vector home, `payer` counts for it."""

    text: str
    tokens: int
    model: Model
    owner: T
    payer: Tally


def take_batch(waiting: Sequence[Item[T]], limits: BatchLimits) -> tuple[list[Item[T]], list[Item[T]]]:
    """The next batch, for the model of the first item and in the order of arrival, and what stays."""
    batch: list[Item[T]] = []
    rest: list[Item[T]] = []
    tokens, open_for_more = 0, True
    for item in waiting:
        if batch and item.model == batch[0].model:
            open_for_more &= tokens + item.tokens <= limits.max_tokens and len(batch) < limits.max_texts
        if not batch or (open_for_more and item.model == batch[0].model):
            batch.append(item)
            tokens += item.tokens
        else:
            rest.append(item)
    return batch, rest


def is_full(waiting: Sequence[Item[T]], limits: BatchLimits) -> bool:
    """Whether waiting for more would not make the next batch larger."""
    return len(waiting) >= limits.max_texts or sum(item.tokens for item in waiting) >= limits.max_tokens


def halves(batch: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def texts_of(text: str, chunks: ChunkList) -> list[tuple[str, ChunkSpan]]:
    """The slices that the spans name. Raises `Permanent` when they do not fit the text."""
    if any(not 0 <= span.start < span.end <= len(text) for span in chunks.spans):
        raise Permanent("chunks_invalid", "the stored chunks do not fit the stored text")
    return [(text[span.start : span.end], span) for span in chunks.spans]


def requested_texts(body: Json) -> list[tuple[str, int]]:
    """What a direct call asks for, with a guess at its tokens. Raises `InvalidInput`, which never repeats the texts."""
    if not isinstance(body, dict):
        raise InvalidInput("body_invalid", 'send {"texts": ["…"]}')
    if "text" in body and "texts" in body:
        raise InvalidInput("texts_invalid", "send text or texts, not both", field="texts")
    field = "text" if "text" in body else "texts"
    given = [body["text"]] if field == "text" else body.get("texts")
    if not isinstance(given, list) or not 0 < len(given) <= MAX_TEXTS:
        raise InvalidInput("texts_invalid", f'send {{"texts": ["…"]}}, 1 to {MAX_TEXTS} of them', field="texts")
    texts = [text for text in given if isinstance(text, str) and text.strip()]
    if len(texts) < len(given):
        raise InvalidInput("texts_invalid", "every text must be a string that is not blank", field=field)
    return [(text, len(text) // CHARS_PER_TOKEN + 1) for text in texts]
