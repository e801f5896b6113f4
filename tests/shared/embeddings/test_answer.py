import base64
import json
from array import array

import pytest

from shared.embeddings.answer import BadAnswer, Model, read_answer

MODEL = Model("org/small", 3)


def packed(*numbers: float) -> str:
    return base64.b64encode(array("f", numbers).tobytes()).decode()


def body(*embeddings: object, model: str = "small") -> bytes:
    items = [{"index": n, "embedding": embedding} for n, embedding in enumerate(embeddings)]
    return json.dumps({"model": model, "data": items}).encode()


def test_base64_and_lists_are_the_same_vector() -> None:
    [first, second] = read_answer(body(packed(0.5, -1, 2), [0.5, -1, 2]), count=2, model=MODEL).vectors
    assert first == second == array("f", [0.5, -1, 2])


def test_the_index_counts_and_not_the_order() -> None:
    answer = {"data": [{"index": 1, "embedding": [0, 0, 2]}, {"index": 0, "embedding": [0, 0, 1]}]}
    assert [vector[2] for vector in read_answer(json.dumps(answer).encode(), count=2, model=MODEL).vectors] == [1, 2]


@pytest.mark.parametrize(
    ("answer", "code", "of_one_text"),
    [
        (b"<html>", "embedding_bad_answer", True),
        (b"[]", "embedding_bad_answer", True),
        (b'{"data": null}', "embedding_bad_answer", True),
        (b'{"data": [{"index": 0}]}', "embedding_bad_answer", True),
        (b'{"data": [{"index": [], "embedding": []}]}', "embedding_bad_answer", True),
        (body("not base64!"), "embedding_bad_answer", True),
        (body(packed(1, 2, 3)[:-4]), "embedding_bad_answer", True),
        (body([1, "2", 3]), "embedding_bad_answer", True),
        (body(None), "embedding_wrong_dimension", False),
        (body([1, 2, 3, 4]), "embedding_wrong_dimension", False),
        (body(packed(1, 2)), "embedding_wrong_dimension", False),
        (body(packed(1, float("nan"), 3)), "embedding_not_finite", True),
        (body(packed(1, float("inf"), 3)), "embedding_not_finite", True),
        (body(packed(0, 0, 0)), "embedding_zero", True),
        (body([1, 2, 3], [1, 2, 3]), "embedding_wrong_count", True),
        (body(), "embedding_wrong_count", True),
        (b'{"data": [{"index": 7, "embedding": [1, 2, 3]}]}', "embedding_wrong_count", True),
        (body([1, 2, 3], model="large"), "embedding_wrong_model", False),
    ],
)
def test_what_was_not_asked_for_has_a_code(answer: bytes, code: str, of_one_text: bool) -> None:
    with pytest.raises(BadAnswer) as error:
        read_answer(answer, count=1, model=MODEL)
    assert (error.value.code, error.value.of_one_text) == (code, of_one_text)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 12, "total_tokens": 12}, 12),
        ({}, 0),
        (None, 0),
        ("12", 0),
        ({"prompt_tokens": "12"}, 0),
        ({"prompt_tokens": -1}, 0),
        ({"prompt_tokens": 1.5}, 0),
        ({"prompt_tokens": True}, 0),
    ],
)
def test_tokens_are_what_the_endpoint_says_if_it_says_a_number(usage: object, tokens: int) -> None:
    answer = {"data": [{"index": 0, "embedding": [0, 0, 1]}], "usage": usage}
    assert read_answer(json.dumps(answer).encode(), count=1, model=MODEL).tokens == tokens
