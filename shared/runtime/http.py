"""One HTTP request and one answer, as values."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from shared.events.event import Json

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Header names are lower-case; `query` is the raw text after `?`."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    request_id: str


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`sent` is called once the whole answer has left, and not at all when the client has gone before."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    sent: Callable[[], Awaitable[None]] | None = field(default=None, compare=False)


def json_response(value: "Json", status: int = 200, headers: Headers = ()) -> HttpResponse:
    body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return HttpResponse(status, (("content-type", "application/json"), *headers), body)
