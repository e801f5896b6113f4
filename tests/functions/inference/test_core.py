"""What an embeddings request may say, and how sequences share batches."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.inference.core import TokenFrame, embeddings_body, parse, plan_batches
from shared.errors import InvalidInput, NotFound, SluiceError, TooLarge

FRAME = TokenFrame(first=101, last=102, limit=8, vocabulary=1000)


def parsed(**body: Any) -> Any:
    return parse(json.dumps(body).encode(), model="m", dimension=4)


@pytest.mark.parametrize(
    ("value", "texts", "tokens"),
    [
        ("a", ["a"], []),
        ("", [""], []),
        (["a", ""], ["a", ""], []),
        ([1, 2], [], [[1, 2]]),
        ([[1], [2, 3]], [], [[1], [2, 3]]),
    ],
)
def test_input_comes_in_four_shapes(value: Any, texts: list[str], tokens: list[list[int]]) -> None:
    request = parsed(model="m", input=value, user="someone")
    assert (request.texts, request.tokens) == (texts, tokens)
    assert not request.as_base64
    assert not request.truncate


@pytest.mark.parametrize(
    ("body", "error", "code", "field"),
    [
        ({"input": []}, InvalidInput, "input_invalid", "input"),
        ({}, InvalidInput, "input_invalid", "input"),
        ({"input": 5}, InvalidInput, "input_invalid", "input"),
        ({"input": ["a", 1]}, InvalidInput, "input_invalid", "input"),
        ({"input": [[1], "a"]}, InvalidInput, "input_invalid", "input"),
        ({"input": [[]]}, InvalidInput, "input_invalid", "input"),
        ({"input": [True]}, InvalidInput, "input_invalid", "input"),
        ({"input": "\ud800"}, InvalidInput, "input_invalid", "input"),
        ({"input": ["a"] * 2049}, TooLarge, "input_too_many", "input"),
        ({"input": "a", "model": "other"}, NotFound, "model_not_found", "model"),
        ({"input": "a", "dimensions": 3}, InvalidInput, "dimensions_unsupported", "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, InvalidInput, "encoding_unsupported", "encoding_format"),
        ({"input": "a", "truncate": "yes"}, InvalidInput, "truncate_invalid", "truncate"),
    ],
)
def test_what_cannot_be_done_is_said(body: dict[str, Any], error: type[SluiceError], code: str, field: str) -> None:
    with pytest.raises(error) as refused:
        parsed(**body)
    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(body, model="m", dimension=4)
    assert refused.value.code == "body_invalid"


def test_the_models_own_dimension_may_be_asked_for() -> None:
    assert parsed(input="a", dimensions=4, encoding_format="base64", truncate=True).as_base64


def test_a_sequence_stands_between_the_special_tokens_once() -> None:
    assert FRAME.frame([5, 6], truncate=False) == [101, 5, 6, 102]
    assert FRAME.frame([101, 5, 6, 102], truncate=False) == [101, 5, 6, 102]
    assert FRAME.frame([], truncate=False) == [101, 102]


def test_a_sequence_over_the_limit_is_cut_only_when_that_was_asked_for() -> None:
    assert FRAME.frame([1] * 6, truncate=False) == [101, *[1] * 6, 102]
    assert FRAME.frame([1] * 7, truncate=True) == [101, *[1] * 6, 102]
    with pytest.raises(TooLarge, match="has 9 tokens, the model takes 8"):
        FRAME.frame([1] * 7, truncate=False)


@pytest.mark.parametrize("token", [-1, 1000])
def test_unknown_token_ids_are_refused(token: int) -> None:
    FRAME.check_ids([0, 999])
    with pytest.raises(InvalidInput):
        FRAME.check_ids([5, token])


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 2000))
def test_batches_hold_everything_once_sorted_and_within_budget(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[index] for index in flat] == sorted(lengths)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


def test_both_encodings_carry_every_bit() -> None:
    vector = np.random.default_rng(1).standard_normal(384).astype(np.float32)
    answers = [
        json.loads(embeddings_body([vector], model="m", prompt_tokens=3, as_base64=encoded))
        for encoded in (False, True)
    ]
    assert [answer["usage"] for answer in answers] == [{"prompt_tokens": 3, "total_tokens": 3}] * 2
    assert np.array_equal(np.array(answers[0]["data"][0]["embedding"], dtype=np.float32), vector)
    assert base64.b64decode(answers[1]["data"][0]["embedding"]) == vector.astype("<f4").tobytes()
