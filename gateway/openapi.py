"""What the OpenAPI document says beside what the routes' types say."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from gateway.examples import NoExample, example_of
from gateway.problems import MEDIA_TYPE


class ProblemField(BaseModel):
    """One thing wrong with the input."""

    field: str
    code: str
    message: str


class Problem(BaseModel):
    """RFC 9457, with our code, the request id, and the fields at fault."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:sluice:problem:job_not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "there is no such job, or it is not yours",
                    "code": "job_not_found",
                    "request_id": "0c3f6f0f5d7e4c0f8d5a2f6b7c1e9a34",
                }
            ]
        }
    )

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


def operation_id(route: APIRoute) -> str:
    """The method and the words of the path: `get_orchestrator_jobs_job_id`."""
    words = re.findall(r"\w+", route.path_format.removeprefix("/api"))
    return "_".join((*sorted(method.lower() for method in route.methods or ()), *words)).replace("-", "_")


def described(app: FastAPI) -> None:
    """Adds problems and examples, once, to the document that FastAPI makes on first use."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" not in schemas:
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs")
            schemas["Problem"] = schema
            _forget_untyped(document)
            for content in contents(document):
                _exemplify(content, schemas)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _forget_untyped(document: dict[str, Any]) -> None:
    """A route that answers by itself has the body that its `openapi` says: FastAPI would promise any JSON at all."""
    for item in document["paths"].values():
        for operation in item.values():
            for answer in operation["responses"].values():
                kept = {kind: content for kind, content in answer.get("content", {}).items() if content.get("schema")}
                answer.pop("content", None)
                answer |= {"content": kept} if kept else {}


def contents(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every body that is sent or answered as JSON, problems too."""
    for item in document["paths"].values():
        for operation in item.values():
            for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
                yield from (content for kind, content in holder.get("content", {}).items() if kind.endswith("json"))


def _exemplify(content: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "example" in content or "examples" in content or not content.get("schema"):
        return
    with suppress(NoExample):
        content["example"] = example_of(content["schema"], schemas)
