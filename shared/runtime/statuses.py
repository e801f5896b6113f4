"""Two tables from errors to HTTP: one for brokers, which retry by status, one for everybody else."""

import json
import math
from typing import Literal, TypeAlias

from shared.errors import (
    Conflict,
    DeadlineExceeded,
    Interrupted,
    InvalidInput,
    NotFound,
    Overloaded,
    Permanent,
    PermissionDenied,
    SluiceError,
    TooLarge,
    Transient,
    Unauthenticated,
    Unavailable,
)
from shared.runtime.asgi import BodyTooSlow
from shared.runtime.http import Headers, HttpResponse

Audience: TypeAlias = Literal["broker", "public"]

# A Knative broker takes the process down over an error body of 769 bytes, when the trigger has a dead letter sink.
MAX_ERROR_BYTES = 768
_MAX_FIELD = 64
_LONGEST_WAIT_S = 86_400.0

# The first class that fits counts, so the narrower ones stand first.
PUBLIC: tuple[tuple[type[SluiceError], int], ...] = (
    (TooLarge, 413),
    (InvalidInput, 400),
    (Unauthenticated, 401),
    (PermissionDenied, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Overloaded, 429),
    (BodyTooSlow, 408),
    (Unavailable, 503),
    (DeadlineExceeded, 504),
    (Permanent, 422),
    (Transient, 503),
    (Interrupted, 503),
    (SluiceError, 500),
)
# A broker sends again after 404 and 409, where sending again cannot help.
BROKER = tuple((error, 422 if status in (404, 409) else status) for error, status in PUBLIC)

_TABLES: dict[Audience, tuple[tuple[type[SluiceError], int], ...]] = {"public": PUBLIC, "broker": BROKER}


def error_response(error: SluiceError, audience: Audience) -> HttpResponse:
    """One short JSON object: `error`, `message`, and `field` where one is at fault."""
    status = next(status for kind, status in _TABLES[audience] if isinstance(error, kind))
    headers: Headers = (("content-type", "application/json"),)
    if error.retry_after_s is not None:
        headers += (("retry-after", str(math.ceil(min(_LONGEST_WAIT_S, error.retry_after_s)))),)
    return HttpResponse(status, headers, _body(error))


def internal_error() -> HttpResponse:
    """Of what nobody foresaw, only the log tells more."""
    return HttpResponse(500, (("content-type", "application/json"),), b'{"error":"internal_error"}')


def _body(error: SluiceError) -> bytes:
    fields = {"error": error.code, "message": error.message}
    if error.field:
        fields["field"] = error.field[:_MAX_FIELD]
    while len(body := json.dumps(fields, separators=(",", ":")).encode()) > MAX_ERROR_BYTES:
        excess = len(body) - MAX_ERROR_BYTES
        # An escaped character takes up to twelve bytes of the body, so a sixth part is a safe step.
        fields["message"] = fields["message"][: -max(excess // 6, 1)]
    return body
