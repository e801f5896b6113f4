"""Splits a text into slices of at most so many tokens, ending where a reader would stop.

A slice is taken as full as it can be, then ends at the strongest break in its second half: a paragraph's end before a
line's, a line's before a sentence's, and the last of equals. The next one starts a little before that, at a sentence.
By `benchmarks/chunking.py` that finds more of the answers, with less text around them, than a sliding window does.
"""

from bisect import bisect_right
from collections.abc import Iterator

from functions.chunk.breaks import WORD, Break, Breaks
from functions.chunk.fitting import fit, trim
from functions.chunk.spans import Count, Sizes, Span, Tokens

ALGORITHM = "breaks-1"
_NEARBY = 8


def chunker_name(sizes: Sizes, tokenizer_sha256: str) -> str:
    """Same name, same spans."""
    return f"{ALGORITHM}:{sizes.max_tokens}+{sizes.overlap_tokens}:{tokenizer_sha256[:16]}"


def split(text: str, tokens: Tokens, sizes: Sizes, count: Count) -> list[Span]:
    """The chunks in order. They cover every character but white space between them; a text without tokens has none.

    `count` tells the tokens of a piece of text; it is asked only about words that are too long themselves.
    """
    if not len(tokens):
        return []
    spans = list(_Splitter(text, tokens, sizes, count).spans())
    # Characters before the first token are ones that the tokenizer drops: they cost no token.
    return [spans[0]._replace(start=trim(text, 0, spans[0].end)[0]), *spans[1:]]


def recount(text: str, spans: list[Span], sizes: Sizes, count: Count) -> list[Span]:
    """For tokenizers whose counts do not add up over words: each slice counted on its own, and cut if it is over."""
    found = [Span(-1, 0, 0)]
    for span in spans:
        last = found[-1]
        start = span.start if span.start > last.start else last.end
        found += [piece for piece in fit(text, start, span.end, sizes, count) if piece.end > last.end]
    return found[1:]


class _Splitter:
    """Places are token numbers: a chunk runs from the place `start` to the place of its cut."""

    def __init__(self, text: str, tokens: Tokens, sizes: Sizes, count: Count) -> None:
        self._text, self._tokens, self._sizes, self._count = text, tokens, sizes, count
        self._breaks = Breaks(text, tokens)

    def spans(self) -> Iterator[Span]:
        """Every span ends beyond the one before."""
        start = done = 0
        while done < len(self._tokens):
            cut = self._cut(start, done)
            if cut is not None:
                yield self._span(start, cut.place)
                start, done = self._next_start(start, cut), cut.place
            elif start < done:
                start = done
            else:
                yield from self._long_word(start)
                start = done = self._word_end(start)

    def _cut(self, start: int, done: int) -> Break | None:
        """The best end of a chunk from `start`, beyond `done`; None when not even the next word fits."""
        limit = self._limit(start)
        if limit == len(self._tokens):
            return Break(limit, WORD)
        half = max(start + self._sizes.max_tokens // 2, done + 1)
        return (
            self._breaks.strongest(half, limit)
            or self._breaks.strongest(done + 1, min(half, limit))
            or self._last_word(done + 1, limit)
        )

    def _limit(self, start: int) -> int:
        """How far a chunk from `start` can reach."""
        furthest = min(start + self._sizes.max_tokens, len(self._tokens))
        return bisect_right(self._tokens.ends, self._tokens.starts[start] + self._sizes.max_chars, start, furthest)

    def _last_word(self, low: int, high: int) -> Break | None:
        """The last word start from `low` to `high`; one after white space, if there is any nearby."""
        heads = [place for place in range(high, low - 1, -1) if self._tokens.heads[place]]
        spaced = [place for place in heads[:_NEARBY] if self._text[self._tokens.starts[place] - 1].isspace()]
        best = spaced or heads
        return Break(best[0], WORD) if best else None

    def _next_start(self, start: int, cut: Break) -> int:
        """Where the overlap with the chunk from `start` to `cut` begins: at a sentence, or at a word inside one."""
        low = max(start + 1, cut.place - self._sizes.overlap_tokens)
        sentence = self._breaks.first(low, cut.place)
        if sentence is not None or cut.strength:
            return sentence or cut.place
        return next((place for place in range(low, cut.place) if self._tokens.heads[place]), cut.place)

    def _span(self, start: int, place: int) -> Span:
        return Span(*trim(self._text, self._tokens.starts[start], self._tokens.starts[place]), place - start)

    def _word_end(self, place: int) -> int:
        return next(after for after in range(place + 1, len(self._tokens) + 1) if self._tokens.heads[after])

    def _long_word(self, place: int) -> Iterator[Span]:
        start, end = self._tokens.starts[place], self._tokens.starts[self._word_end(place)]
        return fit(self._text, start, end, self._sizes, self._count)
