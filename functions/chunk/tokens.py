"""Tokens of a text of any length, by the embedding model's own tokenizer. Calls block; run them in a thread."""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from operator import ne
from pathlib import Path
from typing import TYPE_CHECKING

from functions.chunk.core import chunker_name, recount, split
from functions.chunk.spans import Sizes, Span, Tokens
from shared.model_files import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PIECE_CHARS = 16_384
PIECES_AT_ONCE = 16

# Where nothing ends a word for so long, it is cut anywhere: encoding takes a hundred bytes a character and more.
LONGEST_PIECE_CHARS = 4 * PIECE_CHARS

_SPACE = re.compile(r"[ \n\t\r]")
# Besides, what BERT takes for a word of its own, whatever stands before it: ASCII punctuation, CJK stops, ideographs.
# Not the bracket that ends special tokens.
_WORD_ENDS = re.compile(r"[ \n\t\r!-/:-@\[\\^-`{-~\u3001-\u3003\u3008-\u3011\u4e00-\u9fff]")


@dataclass(frozen=True)
class Chunker:
    """`additive`: the tokenizer never joins what a word end parts, so the counts of words add up to that of a slice."""

    tokenizer: "Tokenizer"
    sha256: str
    additive: bool

    @classmethod
    def open(cls, path: Path) -> "Chunker":
        tokenizer, sha256 = load_tokenizer(path)
        return cls(tokenizer, sha256, _is_additive(tokenizer))

    def name(self, sizes: Sizes) -> str:
        return chunker_name(sizes, self.sha256)

    def count(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def chunk(self, text: str, sizes: Sizes) -> list[Span]:
        spans = split(text, self.tokens(text), sizes, self.count)
        return spans if self.additive else recount(text, spans, sizes, self.count)

    def tokens(self, text: str) -> Tokens:
        """Encoded in pieces, which is several times faster than in one go and takes memory for a few pieces only."""
        starts, ends, heads = array("i"), array("i"), bytearray()
        pieces = _pieces(text, _WORD_ENDS if self.additive else _SPACE)
        while batch := list(islice(pieces, PIECES_AT_ONCE)):
            encodings = self.tokenizer.encode_batch([text[a:b] for a, b in batch], add_special_tokens=False)
            for (base, _), encoding in zip(batch, encodings, strict=True):
                offsets, words = encoding.offsets, encoding.word_ids
                starts.extend([base + start for start, _ in offsets])
                ends.extend([base + end for _, end in offsets])
                heads.extend(map(ne, words, chain((None,), words)))
        starts.append(len(text))
        heads.append(1)
        return Tokens(starts, ends, heads)


def _pieces(text: str, word_end: "re.Pattern[str]") -> Iterator[tuple[int, int]]:
    """Parts of the text that end where no token can reach across, unless that makes them too long."""
    start = 0
    while start < len(text):
        longest = min(start + LONGEST_PIECE_CHARS, len(text))
        found = word_end.search(text, start + PIECE_CHARS, longest)
        end = found.start() if found else longest
        yield start, end
        start = end


def _is_additive(tokenizer: "Tokenizer") -> bool:
    from tokenizers import normalizers, pre_tokenizers  # noqa: PLC0415

    return (
        isinstance(tokenizer.normalizer, normalizers.BertNormalizer)
        and tokenizer.normalizer.handle_chinese_chars
        and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and all(token.special for token in tokenizer.get_added_tokens_decoder().values())
    )
