"""Where a reader would stop: ends of paragraphs, lines and sentences."""

import re
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from functions.chunk.spans import Tokens

PARAGRAPH, LINE, SENTENCE, WORD = 3, 2, 1, 0

_CLOSERS = r"\"'”’»)\]」』）"
# A run of full stops is looked at from its first one only: a megabyte of them must not cost a megabyte squared.
_BREAK = re.compile(rf"(?<![.!?…])[.!?…]++[{_CLOSERS}]*+\s++|\n\s*+|[。！？｡]++[{_CLOSERS}]*+\s*+")


class Break(NamedTuple):
    """A slice may end before token `place`."""

    place: int
    strength: int


class Breaks:
    """The breaks of a text that fall between words of the tokenizer, in order."""

    def __init__(self, text: str, tokens: Tokens) -> None:
        self._places: list[int] = []
        self._strengths: list[int] = []
        place = 0
        for match in _BREAK.finditer(text):
            place = bisect_left(tokens.starts, match.end(), place)
            if place and tokens.heads[place]:
                self._add(place, SENTENCE + min(match.group().count("\n"), PARAGRAPH - SENTENCE))

    def _add(self, place: int, strength: int) -> None:
        if self._places and self._places[-1] == place:
            self._strengths[-1] = max(self._strengths[-1], strength)
        else:
            self._places.append(place)
            self._strengths.append(strength)

    def strongest(self, low: int, high: int) -> Break | None:
        """The strongest one from `low` to `high`, the last of equals."""
        first, last = bisect_left(self._places, low), bisect_right(self._places, high)
        if first >= last:
            return None
        best = max(range(first, last), key=lambda number: (self._strengths[number], number))
        return Break(self._places[best], self._strengths[best])

    def first(self, low: int, high: int) -> int | None:
        """The place of the first one from `low` to below `high`."""
        number = bisect_left(self._places, low)
        return self._places[number] if number < len(self._places) and self._places[number] < high else None
