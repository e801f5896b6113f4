import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.embed.core import BatchLimits, Item, halves, is_full, take_batch, texts_of
from shared.contracts.documents import ChunkList, ChunkSpan
from shared.embeddings.answer import Model
from shared.errors import Permanent
from shared.tally import Tally

SMALL, LARGE = Model("small", 3), Model("large", 9)
LIMITS = BatchLimits(max_tokens=100, max_texts=4)


def item(tokens: int, model: Model = SMALL) -> Item[None]:
    return Item("t", tokens, model, None, Tally())


def test_a_batch_ends_where_the_tokens_do() -> None:
    batch, rest = take_batch([item(60), item(40), item(1)], LIMITS)
    assert ([i.tokens for i in batch], [i.tokens for i in rest]) == ([60, 40], [1])


def test_a_text_over_the_budget_goes_alone() -> None:
    batch, rest = take_batch([item(500), item(1)], LIMITS)
    assert ([i.tokens for i in batch], [i.tokens for i in rest]) == ([500], [1])


def test_a_batch_speaks_to_one_model() -> None:
    batch, rest = take_batch([item(1, LARGE), item(2), item(3, LARGE)], LIMITS)
    assert ([i.tokens for i in batch], [i.tokens for i in rest]) == ([1, 3], [2])


@given(st.lists(st.tuples(st.integers(0, 150), st.sampled_from([SMALL, LARGE])), max_size=40))
def test_every_text_goes_once_in_order_and_within_the_limits(texts: list[tuple[int, Model]]) -> None:
    waiting = [Item(str(n), tokens, model, n, Tally()) for n, (tokens, model) in enumerate(texts)]
    everything: list[Item[int]] = []
    while waiting:
        batch, waiting = take_batch(waiting, LIMITS)
        assert batch
        assert len(batch) <= LIMITS.max_texts
        assert len(batch) == 1 or sum(i.tokens for i in batch) <= LIMITS.max_tokens
        assert len({i.model for i in batch}) == 1
        everything += batch
    for model in (SMALL, LARGE):
        of_model = [i.owner for i in everything if i.model == model]
        assert of_model == sorted(of_model)
    assert len(everything) == len(texts)


def test_full_by_tokens_or_by_texts() -> None:
    assert is_full([item(100)], LIMITS)
    assert is_full([item(0)] * 4, LIMITS)
    assert not is_full([item(33)] * 3, LIMITS)


def test_halves_keep_the_order_and_lose_nothing() -> None:
    assert halves([1, 2, 3]) == ([1], [2, 3])


def chunks(*spans: tuple[int, int]) -> ChunkList:
    return ChunkList(
        text_sha256="0" * 64, chunker="c", spans=tuple(ChunkSpan(start=a, end=b, tokens=1) for a, b in spans)
    )


def test_texts_are_slices_in_code_points() -> None:
    assert [text for text, _ in texts_of("añ🎉b", chunks((0, 2), (2, 3), (3, 4)))] == ["añ", "🎉", "b"]


@pytest.mark.parametrize("span", [(0, 99), (2, 2), (3, 1)])
def test_spans_that_do_not_fit_are_refused(span: tuple[int, int]) -> None:
    with pytest.raises(Permanent) as error:
        texts_of("text", chunks(span))
    assert error.value.code == "chunks_invalid"
