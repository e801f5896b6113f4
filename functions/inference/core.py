"""What an embeddings request asks for, how sequences share batches, what the answer looks like: as OpenAI has it."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from shared.errors import InvalidInput, NotFound, TooLarge
from shared.events.event import Json

if TYPE_CHECKING:
    import numpy as np

    Vector: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"

MAX_ITEMS = 2048

Tokens = list[int]


@dataclass(frozen=True)
class EmbeddingRequest:
    """Texts, or token ids without the special ones: one kind, never both."""

    texts: list[str]
    tokens: list[Tokens]
    as_base64: bool
    truncate: bool


def parse(body: bytes, *, model: str, dimension: int) -> EmbeddingRequest:
    """Raises `InvalidInput` that names the parameter, `NotFound` for another model, `TooLarge` for too many inputs."""
    raw = _json_object(body)
    if raw.get("model", model) != model:
        raise NotFound("model_not_found", f"this model is not served here; the one that is: {model}", field="model")
    if raw.get("dimensions") not in (None, dimension):
        message = f"this model has {dimension} dimensions and cannot give another number"
        raise InvalidInput("dimensions_unsupported", message, field="dimensions")
    encoding = raw.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise InvalidInput("encoding_unsupported", "encoding_format is float or base64", field="encoding_format")
    truncate = raw.get("truncate") or False
    if not isinstance(truncate, bool):
        raise InvalidInput("truncate_invalid", "truncate is true or false", field="truncate")
    texts, tokens = _inputs(raw.get("input"))
    return EmbeddingRequest(texts, tokens, encoding == "base64", truncate)


def _json_object(body: bytes) -> dict[str, Json]:
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("body_invalid", "the body is not JSON") from None
    if not isinstance(raw, dict):
        raise InvalidInput("body_invalid", "the body is not a JSON object")
    return raw


def _inputs(value: Json) -> tuple[list[str], list[Tokens]]:
    if isinstance(value, str):
        return checked_texts([value]), []
    if not isinstance(value, list) or not value:
        raise InvalidInput(
            "input_invalid", "input is a text, or a list with at least one text or token list", field="input"
        )
    if _is_token_list(value):
        return [], [cast("Tokens", value)]
    if len(value) > MAX_ITEMS:
        raise TooLarge("input_too_many", f"input has more than {MAX_ITEMS} items", field="input")
    if all(isinstance(item, str) for item in value):
        return checked_texts(cast("list[str]", value)), []
    if all(_is_token_list(item) for item in value):
        return [], cast("list[Tokens]", value)
    raise InvalidInput("input_invalid", "input must be only texts, or only lists of token ids", field="input")


def checked_texts(texts: list[str]) -> list[str]:
    """The same, or `InvalidInput` for what is no Unicode text."""
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            "input_invalid", "input holds a lone surrogate, which is no character", field="input"
        ) from None
    return texts


def _is_token_list(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


@dataclass(frozen=True)
class TokenFrame:
    """The special tokens a sequence stands between, and the bounds it must keep. `limit` counts them."""

    first: int
    last: int
    limit: int
    vocabulary: int

    def frame(self, content: Tokens, *, truncate: bool) -> Tokens:
        """`TooLarge` when the sequence is over the limit and may not be cut."""
        if len(content) >= 2 and content[0] == self.first and content[-1] == self.last:
            content = content[1:-1]
        if len(content) + 2 > self.limit:
            if not truncate:
                size = f"an input has {len(content) + 2} tokens, the model takes {self.limit}"
                raise TooLarge("input_too_long", f'{size}; "truncate": true cuts it', field="input")
            content = content[: self.limit - 2]
        return [self.first, *content, self.last]

    def check_ids(self, content: Tokens) -> None:
        if min(content) < 0 or max(content) >= self.vocabulary:
            raise InvalidInput("token_unknown", f"token ids run from 0 to {self.vocabulary - 1}", field="input")


def plan_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of like length: rows times the longest keep to `budget`, unless one row alone is over it."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not batches or (len(batches[-1]) + 1) * lengths[index] > budget:
            batches.append([])
        batches[-1].append(index)
    return batches


def embeddings_body(vectors: "Sequence[Vector]", *, model: str, prompt_tokens: int, as_base64: bool) -> bytes:
    """The answer's JSON. Floats carry nine digits, which is every bit of a float32."""
    shape = _base64 if as_base64 else _digits
    rows = ",".join(
        f'{{"object":"embedding","index":{index},"embedding":{shape(vector)}}}' for index, vector in enumerate(vectors)
    )
    usage = f'{{"prompt_tokens":{prompt_tokens},"total_tokens":{prompt_tokens}}}'
    return f'{{"object":"list","data":[{rows}],"model":{json.dumps(model)},"usage":{usage}}}'.encode()


def _base64(vector: "Vector") -> str:
    return f'"{base64.b64encode(vector.astype("<f4", copy=False).tobytes()).decode()}"'


def _digits(vector: "Vector") -> str:
    return f"[{','.join(format(number, '.9g') for number in vector.tolist())}]"


def models_body(model: str, *, dimension: int, limit: int) -> dict[str, Json]:
    """What `GET /v1/models/<model>` says; OpenAI's fields and the two a client of ours wants to know."""
    return {
        "id": model, "object": "model", "created": 0, "owned_by": "sluice", "dimension": dimension, "max_tokens": limit
    }  # fmt: skip


def error_body(code: str, message: str, param: str | None, *, ours: bool) -> dict[str, Json]:
    """OpenAI's error object. `ours`: the server is at fault, not the request."""
    kind = "server_error" if ours else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
