"""Reads an embeddings answer, trusting nothing in it."""

import base64
import binascii
import json
import math
import sys
from array import array
from dataclasses import dataclass
from typing import Any

from shared.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model by the name its endpoint knows, and the length of its vectors."""

    name: str
    dimension: int


class BadAnswer(Unavailable):
    """The endpoint answered, but not what was asked for. `of_one_text` says that one text of the batch may be why."""

    def __init__(self, code: str, message: str, *, of_one_text: bool = False) -> None:
        super().__init__(code, message)
        self.of_one_text = of_one_text


@dataclass(frozen=True, slots=True)
class Answer:
    """Vectors in the order of the texts. `tokens` as the endpoint counts them, 0 where it does not."""

    vectors: "list[array[float]]"
    tokens: int


def read_answer(body: bytes, *, count: int, model: Model) -> Answer:
    """Base64 or lists of numbers are understood. Raises `BadAnswer`."""
    try:
        answer = json.loads(body)
        items, named = answer["data"], answer.get("model", model.name)
        by_index = {item["index"]: item["embedding"] for item in items}
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise _nonsense() from exc
    if _short(named) != _short(model.name):
        raise BadAnswer("embedding_wrong_model", f"the endpoint answered for another model than {model.name}")
    if len(items) != count or by_index.keys() != set(range(count)):
        message = f"the endpoint answered {len(items)} vectors for {count} texts, or numbered them wrongly"
        raise BadAnswer("embedding_wrong_count", message, of_one_text=True)
    vectors = [_checked(_vector(by_index[index]), model.dimension) for index in range(count)]
    return Answer(vectors, _tokens(answer))


def _tokens(answer: dict[str, Any]) -> int:
    usage = answer.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return tokens if type(tokens) is int and 0 <= tokens < 2**31 else 0


def _short(model: object) -> str:
    """Servers disagree on whether the organisation is a part of the name."""
    return str(model).rpartition("/")[2].lower()


def _vector(value: object) -> "array[float]":
    vector = array("f")
    try:
        if isinstance(value, str):
            vector.frombytes(base64.b64decode(value, validate=True))
            if sys.byteorder == "big":
                vector.byteswap()
        elif isinstance(value, list):
            vector.extend(value)
    except (ValueError, TypeError, OverflowError, binascii.Error) as exc:
        raise _nonsense() from exc
    return vector


def _checked(vector: "array[float]", dimension: int) -> "array[float]":
    if len(vector) != dimension:
        message = f"the endpoint answered vectors of {len(vector)} numbers; the corpus has {dimension}"
        raise BadAnswer("embedding_wrong_dimension", message)
    # The sum is finite only if every number is, and adding up is the cheapest way to ask.
    if not math.isfinite(sum(vector)):
        raise BadAnswer("embedding_not_finite", "the endpoint answered a vector that is not finite", of_one_text=True)
    if not any(vector):
        raise BadAnswer("embedding_zero", "the endpoint answered a vector without direction", of_one_text=True)
    return vector


def _nonsense() -> BadAnswer:
    return BadAnswer("embedding_bad_answer", "the endpoint's answer cannot be read", of_one_text=True)
