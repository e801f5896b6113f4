"""Every chunk is an exact slice, none is over the limit, together they cover the text: whatever the text."""

import time
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Encoding, Tokenizer, models, normalizers, pre_tokenizers, trainers

from functions.chunk.core import split
from functions.chunk.spans import Sizes, Span
from functions.chunk.tokens import Chunker
from shared.errors import InvalidInput
from shared.model_files import tokenizer_file
from shared.settings import Environment
from tests import shared_data
from tests.fuzz.profile import LONG


@pytest.fixture(scope="module")
def chunker() -> Chunker:
    return Chunker.open(tokenizer_file(Environment({})))


WORDS = ["word", "don't", "3.14", "antidisestablishmentarianism", "[SEP]", "[CLS] ", "a" * 101, "x1y2" * 24, "<b>"]
SCRIPTS = [
    "日本語の文です。",
    "ภาษาไทย",
    "한국어",
    "क्षत्रिय",
    "é",
    "e\u0301\u0327",
    "ﬁ",
    "İ",
    "😀👍🏽",
    "👩\u200d👩\u200d👧",
]
DROPPED = ["\u200b", "\x00", "\x1c", "\x85", "\ufeff", "\u0301", "\ufffd"]
GAPS = [" ", "\n", "\n\n", "\r\n", "\t", "\u3000", "\u2028", ". ", "! ", "?\n", "。", "...", '." ', ", ", "# "]
PIECES = st.sampled_from(WORDS + SCRIPTS + DROPPED + GAPS)
TEXTS = st.one_of(st.lists(PIECES, max_size=120).map("".join), st.text(max_size=300))
SIZES = st.tuples(st.integers(8, 60), st.integers(0, 30)).map(lambda pair: Sizes(pair[0], min(pair[1], pair[0] // 2)))
PROPERTIES = settings(
    max_examples=1000 if LONG else 100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def uncovered(text: str, spans: list[Span]) -> str:
    """What no chunk holds."""
    left, at = "", 0
    for span in spans:
        left += text[at : span.start]
        at = max(at, span.end)
    return left + text[at:]


def check(chunker: Chunker, text: str, sizes: Sizes) -> list[Span]:
    spans = chunker.chunk(text, sizes)
    for span in spans:
        piece = text[span.start : span.end]
        assert piece
        assert piece == piece.strip()
        assert span.tokens == chunker.count(piece)
        assert span.tokens <= sizes.max_tokens or len(piece) == 1
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(spans))
    if chunker.count(text):
        assert uncovered(text, spans).strip() == ""
    else:
        assert spans == []
    return spans


@PROPERTIES
@given(text=TEXTS, sizes=SIZES)
def test_any_text_is_cut_exactly(chunker: Chunker, text: str, sizes: Sizes) -> None:
    assert check(chunker, text, sizes) == chunker.chunk(text, sizes)


@PROPERTIES
@given(text=TEXTS, sizes=SIZES)
def test_counts_that_do_not_add_up_are_counted_again(chunker: Chunker, text: str, sizes: Sizes) -> None:
    check(Chunker(chunker.tokenizer, chunker.sha256, additive=False), text, sizes)


@pytest.fixture(scope="module", params=["bytes", "pieces"])
def foreign(request: pytest.FixtureRequest) -> Chunker:
    """Tokenizers of other families: one of bytes, whose tokens part characters; one that marks where words start."""
    sample = ["A few words of plain text to learn from, and 日本語 beside. They need not be many; don't worry."] * 3
    if request.param == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: trainers.Trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=120, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
        )
    tokenizer.train_from_iterator(sample, trainer)
    return Chunker(tokenizer, "0" * 64, additive=False)


@PROPERTIES
@given(text=TEXTS, sizes=SIZES)
def test_tokenizers_of_other_families_are_cut_exactly_too(foreign: Chunker, text: str, sizes: Sizes) -> None:
    check(foreign, text, sizes)


def test_real_texts_are_covered_by_full_chunks(chunker: Chunker) -> None:
    for path in sorted(shared_data.path("data/chunking/corpora").glob("*.md")):
        spans = check(chunker, path.read_bytes().decode(), Sizes(250, 50))
        assert sum(span.tokens for span in spans) / len(spans) > 180


@PROPERTIES
@given(text=TEXTS, sizes=SIZES)
def test_overlap_is_within_what_was_asked_for(chunker: Chunker, text: str, sizes: Sizes) -> None:
    spans = chunker.chunk(text, sizes)
    for before, after in pairwise(spans):
        shared = text[after.start : before.end] if after.start < before.end else ""
        assert chunker.count(shared) <= sizes.overlap_tokens


@pytest.mark.parametrize("text", ["", " ", "\n\n\t \u3000", "\x00", "\u200b\u200b", "\ufeff"])
def test_a_text_without_tokens_has_no_chunks(chunker: Chunker, text: str) -> None:
    assert chunker.chunk(text, Sizes(250, 50)) == []


def test_a_short_text_is_one_chunk_without_its_margins(chunker: Chunker) -> None:
    assert chunker.chunk("\n  Hi there. Bye.\n", Sizes(250, 50)) == [Span(3, 17, 5)]


def test_characters_no_token_stands_for_are_kept(chunker: Chunker) -> None:
    assert chunker.chunk("\ufeffhi\u200b", Sizes(8, 0)) == [Span(0, 4, 1)]


def test_a_paragraph_end_is_preferred_to_a_line_and_a_line_to_a_sentence(chunker: Chunker) -> None:
    def pieces(text: str) -> list[str]:
        return [text[span.start : span.end] for span in chunker.chunk(text, Sizes(10, 0))]

    assert pieces("a b c d e f\n\ng h\ni j k") == ["a b c d e f", "g h\ni j k"]
    assert pieces("a b c d e f\ng. h. i j k l m") == ["a b c d e f", "g. h. i j k l m"]
    assert pieces("a b c d e f. g h i j k l m") == ["a b c d e f.", "g h i j k l m"]
    assert pieces("a b c d e f g h don't i j") == ["a b c d e f g h", "don't i j"]


def test_sentences_end_without_white_space_where_the_script_has_none(chunker: Chunker) -> None:
    text = "日本語文章。東京大学東。"
    assert [text[span.start : span.end] for span in chunker.chunk(text, Sizes(9, 0))] == [
        "日本語文章。",
        "東京大学東。",
    ]


def test_overlap_begins_at_a_sentence_and_inside_one_at_a_word(chunker: Chunker) -> None:
    def pieces(text: str, sizes: Sizes) -> list[str]:
        return [text[span.start : span.end] for span in chunker.chunk(text, sizes)]

    sentences = "a b c d. e f g. h i j k l m n o. p q r s t."
    assert pieces(sentences, Sizes(16, 5)) == ["a b c d. e f g.", "e f g. h i j k l m n o.", "p q r s t."]
    assert pieces("a b c d e f g h i j k l m", Sizes(8, 3)) == ["a b c d e f g h", "f g h i j k l m"]


def test_a_word_longer_than_the_limit_is_cut_and_counted_on_its_own(chunker: Chunker) -> None:
    spans = check(chunker, "see " + "x1y2z3" * 16 + " end", Sizes(8, 0))
    assert len(spans) > 10


def test_an_unknown_word_of_any_length_makes_chunks_of_bounded_length(chunker: Chunker) -> None:
    sizes = Sizes(250, 50)
    spans = check(chunker, "ก" * 100_000, sizes)
    assert max(span.end - span.start for span in spans) <= sizes.max_chars


def test_white_space_of_any_length_between_words_costs_no_chunk(chunker: Chunker) -> None:
    assert check(chunker, "a" + " " * 1_000_000 + "b", Sizes(250, 50)) == [Span(0, 1, 1), Span(1_000_001, 1_000_002, 1)]


@pytest.mark.parametrize(
    "pattern", [".", ". ", '."', "\n", "日", "한", "[SEP]", "\u0301", "a\u200b", "x\n", "。", "😀"]
)
def test_a_monotonous_text_takes_time_by_its_length_and_no_more(chunker: Chunker, pattern: str) -> None:
    """Four times the length takes four times as long; what looks back over the text would take sixteen times."""
    check(chunker, pattern * 30_000, Sizes(250, 50))
    short_s, long_s = (_seconds(chunker, pattern * count) for count in (10_000, 40_000))
    assert long_s < 9 * short_s


def _seconds(chunker: Chunker, text: str) -> float:
    """Of processor time, the best of three."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        chunker.chunk(text, Sizes(250, 50))
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.parametrize(
    "text",
    [
        ("Ünïcode e\u0301 日本 x.y\u200bz [SEP] don't\n\n" + "long " * 30) * 400,
        "x[SEP]" * 20_000,
        "日本語の文章。e\u0301,ﬁΣ=\u0338=水\u0301" * 5_000,
        "".join(chr(place) for place in range(32, 0x3000) if not 0xD800 <= place < 0xE000) * 6,
    ],
)
def test_reading_in_pieces_equals_reading_in_one_go(chunker: Chunker, text: str) -> None:
    encoding = chunker.tokenizer.encode(text, add_special_tokens=False)
    tokens = chunker.tokens(text)
    assert list(zip(tokens.starts, tokens.ends, strict=False)) == encoding.offsets
    words = encoding.word_ids
    assert list(tokens.heads[:-1]) == [1, *(int(a != b) for a, b in pairwise(words))]


class Watched:
    """A tokenizer that notes how much it is given at once: it takes memory for that."""

    def __init__(self, inner: Tokenizer) -> None:
        self._inner = inner
        self.most_chars = 0

    def encode_batch(self, texts: list[str], *, add_special_tokens: bool) -> list[Encoding]:
        self.most_chars = max(self.most_chars, sum(map(len, texts)))
        return self._inner.encode_batch(texts, add_special_tokens=add_special_tokens)


@pytest.mark.parametrize(("character", "most_chars"), [("水", 300_000), (".", 300_000), ("ก", 1_100_000)])
def test_text_without_white_space_is_read_in_pieces_too(chunker: Chunker, character: str, most_chars: int) -> None:
    watched = Watched(chunker.tokenizer)
    tokens = Chunker(cast("Tokenizer", watched), "", additive=True).tokens(character * 1_200_000)
    assert tokens.ends[-1] == 1_200_000
    assert 0 < watched.most_chars < most_chars


def test_five_million_characters_are_no_trouble(chunker: Chunker) -> None:
    text = "The quick brown fox jumps over the lazy dog. Then it rests a while,\nand goes home.\n\n" * 60_000
    spans = chunker.chunk(text, Sizes(250, 50))
    assert spans[-1].end == len(text.rstrip())
    assert sum(span.tokens for span in spans) >= 60_000 * 20


@pytest.mark.parametrize(
    ("most", "overlap", "field"), [(7, 0, "max_tokens"), (20, 11, "overlap_tokens"), (20, -1, "overlap_tokens")]
)
def test_sizes_that_do_not_go_together_are_refused(most: int, overlap: int, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Sizes(most, overlap)
    assert refused.value.field == field


def test_the_name_says_algorithm_sizes_and_tokenizer(chunker: Chunker) -> None:
    assert chunker.name(Sizes(250, 50)) == f"breaks-1:250+50:{chunker.sha256[:16]}"


def test_a_tokenizer_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read the tokenizer"):
        Chunker.open(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"is not a tokenizer\.json"):
        Chunker.open(tmp_path / "tokenizer.json")


def test_the_core_needs_no_tokenizer(chunker: Chunker) -> None:
    text = "one two three four five six seven eight nine ten"
    assert split(text, chunker.tokens(text), Sizes(8, 0), lambda _: 0)[0] == Span(0, 39, 8)
