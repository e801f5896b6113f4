"""Cuts a slice that is too large where no word end helps: halved until each piece, counted on its own, fits."""

import unicodedata
from collections.abc import Iterator

from functions.chunk.spans import Count, Sizes, Span

_JOINER = "\u200d"
_NEARBY = 32


def fit(text: str, start: int, end: int, sizes: Sizes, count: Count) -> Iterator[Span]:
    """Pieces of `text[start:end]` in order, none over the sizes. A single character is never cut."""
    waiting = [(start, end)]
    while waiting:
        start, end = trim(text, *waiting.pop())
        if start >= end:
            continue
        tokens = count(text[start:end]) if end - start <= sizes.max_chars else None
        if end - start == 1 or (tokens is not None and tokens <= sizes.max_tokens):
            yield Span(start, end, tokens or 0)
        else:
            middle = _middle(text, start, end)
            waiting += [(middle, end), (start, middle)]


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The slice without white space at its ends."""
    piece = text[start:end].lstrip()
    start = end - len(piece)
    return start, start + len(piece.rstrip())


def _middle(text: str, start: int, end: int) -> int:
    """A place to halve at: after white space if there is some near, else not inside what is seen as one character."""
    middle = (start + end) // 2
    low = max(start + 1, middle - _NEARBY)
    nearby = range(middle, low - 1, -1)
    spaced = (place for place in nearby if text[place - 1].isspace())
    whole = (place for place in nearby if not _joined(text, place))
    return next(spaced, next(whole, middle))


def _joined(text: str, place: int) -> bool:
    return text[place - 1] == _JOINER or unicodedata.category(text[place]) in ("Mn", "Mc", "Me", "Cf")
