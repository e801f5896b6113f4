"""What the OpenAPI document says beside what the routes' types say."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from gateway.problems import MEDIA_TYPE


class ProblemField(BaseModel):
    """One thing wrong with the input."""

    field: str
    code: str
    message: str


class Problem(BaseModel):
    """RFC 9457, with our code, the request id, and the fields at fault."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    field: str | None = None
    errors: list[ProblemField] | None = None


_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "the body cannot be read", "content": _CONTENT},
    401: {"description": "no API key, or one that is not known", "content": _CONTENT},
    403: {"description": "the key lacks the scope for this", "content": _CONTENT},
    404: {"description": "no such thing, or not yours", "content": _CONTENT},
    409: {"description": "not in this state", "content": _CONTENT},
    413: {"description": "too large", "content": _CONTENT},
    422: {"description": "a field is not valid; it is named", "content": _CONTENT},
    429: {"description": "your limit is reached, or too much waits; see Retry-After", "content": _CONTENT},
    503: {"description": "something we need is down; see Retry-After", "content": _CONTENT},
    504: {"description": "it took too long", "content": _CONTENT},
}


def described(app: FastAPI) -> None:
    """Adds the schema of problems, once, to the document that FastAPI makes on first use."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" not in schemas:
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs")
            schemas["Problem"] = schema
        return document

    app.openapi = openapi  # type: ignore[method-assign]
