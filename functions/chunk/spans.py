"""The words the chunker speaks in: tokens of a text, slices of it, and how large a slice may be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from shared.errors import InvalidInput

MIN_TOKENS = 8
# A token is some four characters of prose, but a word that the tokenizer does not know is one token however long.
CHARS_A_TOKEN = 16

Count: TypeAlias = Callable[[str], int]


@dataclass(frozen=True)
class Sizes:
    """In tokens, special ones not counted. Raises `InvalidInput` for sizes that do not go together."""

    max_tokens: int
    overlap_tokens: int

    def __post_init__(self) -> None:
        if self.max_tokens < MIN_TOKENS:
            raise InvalidInput("max_tokens_invalid", f"max_tokens must be at least {MIN_TOKENS}", field="max_tokens")
        if not 0 <= 2 * self.overlap_tokens <= self.max_tokens:
            message = "overlap_tokens must be between 0 and half of max_tokens"
            raise InvalidInput("overlap_tokens_invalid", message, field="overlap_tokens")

    @property
    def max_chars(self) -> int:
        return self.max_tokens * CHARS_A_TOKEN


@dataclass(frozen=True)
class Tokens:
    """A text's tokens: token i is `text[starts[i]:ends[i]]`, and `heads[i]` says that a word starts with it.

    `starts` and `heads` have one entry more, for the end of the text.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    heads: Sequence[int]

    def __len__(self) -> int:
        return len(self.ends)


class Span(NamedTuple):
    """`text[start:end]`, with its length in tokens."""

    start: int
    end: int
    tokens: int
