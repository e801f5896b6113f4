"""Errors as the public sees them: `application/problem+json`, with a code, a sentence and the field at fault."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionDenied,
    SluiceError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"

# What HTTP itself says, by words of our own: those of the standard library change with its version.
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 408: "body_too_slow", 413: "content_too_large"}
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

# The most particular class first.
STATUS: tuple[tuple[type[SluiceError], int], ...] = (
    (TooLarge, 413),
    (InvalidInput, 422),
    (Unauthenticated, 401),
    (PermissionDenied, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Overloaded, 429),
    (DeadlineExceeded, 504),
    (Unavailable, 503),
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with the input. The value itself is never repeated: it may hold a secret."""

    field: str
    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "code": self.code, "message": self.message}


class InvalidFields(InvalidInput):
    """Several things are wrong at once; nothing was accepted."""

    def __init__(self, code: str, message: str, errors: Sequence[FieldError]) -> None:
        super().__init__(code, message, field=errors[0].field)
        self.errors = tuple(errors)


def status_of(error: SluiceError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    field: str | None = None,
    errors: Sequence[FieldError] = (),
    retry_after_s: float | None = None,
) -> JSONResponse:
    """The answer to a request that failed."""
    body: dict[str, Any] = {
        "type": f"urn:sluice:problem:{code}",
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request.state.request_id,
    }
    if field is not None:
        body["field"] = field
    if errors:
        body["errors"] = [error.as_json() for error in errors]
    return JSONResponse(body, status, _headers(status, retry_after_s), MEDIA_TYPE)


def _headers(status: int, retry_after_s: float | None) -> dict[str, str]:
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'ApiKey realm="sluice", header="X-API-Key"'
    if retry_after_s is None and status in (429, 503):
        retry_after_s = 5
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, ceil(retry_after_s)))
    return headers


def of_error(request: Request, error: SluiceError, status: int | None = None) -> JSONResponse:
    """The problem that tells of one of our errors; `status` where the edge knows better than the table."""
    status = status or status_of(error)
    if status >= 500:
        _log_failure(request, error, status)
    errors = error.errors if isinstance(error, InvalidFields) else ()
    return problem(
        request,
        status,
        error.code,
        error.message,
        field=error.field,
        errors=errors,
        retry_after_s=error.retry_after_s,
    )


def _log_failure(request: Request, error: SluiceError, status: int) -> None:
    """With a stack what is ours; what is somebody else's goes by the hundred while it lasts, and alerts tell of it."""
    level, stack = (logging.ERROR, error) if status == 500 else (logging.INFO, None)
    about = {"code": error.code, "request_id": request.state.request_id, "action": "request_failed"}
    logging.getLogger(__name__).log(level, "request failed: %s", error.message, exc_info=stack, extra=about)


async def _on_sluice_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SluiceError)
    return of_error(request, error)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem(request, 400, "malformed_json", "the body is not JSON")
    errors = [FieldError(field_name(one["loc"]), "invalid_field", sentence(one)) for one in found]
    first = errors[0]
    detail = f"{first.field}: {first.message}" if len(errors) == 1 else f"{len(errors)} fields are not valid"
    return problem(request, 422, "invalid_request", detail, field=first.field, errors=errors)


def sentence(error: Mapping[str, Any]) -> str:
    """pydantic's own, without its prefix; and what to do where somebody's client named no content type, or another."""
    if error["type"] == "model_attributes_type":
        return "send a JSON object, with Content-Type: application/json"
    return str(error["msg"]).removeprefix("Value error, ")


def field_name(location: Sequence[str | int]) -> str:
    """`("body", "urls", 3)` as `urls[3]`."""
    name = ""
    for part in location[1:]:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name or str(location[0])


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        # FastAPI's word for a body that fails to parse in another way than by its syntax: too deep, not UTF-8.
        return problem(request, 400, "malformed_json", "the body is not JSON, or is nested too deeply")
    code = HTTP_CODES.get(error.status_code, "http_error")
    answer = problem(request, error.status_code, code, str(error.detail))
    answer.headers.update(error.headers or {})
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(_methods(request))
    return answer


def _methods(request: Request) -> list[str]:
    """All that the path takes: the route that refused knows its own only."""
    matching = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in matching for method in route.methods})


async def on_bug(request: Request, error: Exception) -> JSONResponse:
    return problem(request, 500, "internal_error", "something went wrong here; the request id finds it in our logs")


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem."""
    app.add_exception_handler(SluiceError, _on_sluice_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, on_bug)
