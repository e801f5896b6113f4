"""A request to the REST contract, and short answers as the real gateway words them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from emulator.asgi import Header, Receive, Scope, Send
from emulator.manifests import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from emulator.openfaas.platform import Platform

MAX_BODY_BYTES = 16 * 1024 * 1024
TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
NOSNIFF = (b"x-content-type-options", b"nosniff")


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    content_type: bytes = TEXT
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True)
class Call:
    """`path` holds what the route's pattern found."""

    path: Mapping[str, str]
    scope: Scope
    receive: Receive
    send: Send

    @property
    def query(self) -> dict[str, str]:
        pairs = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return dict(reversed(pairs))

    @property
    def namespace(self) -> str:
        return self.query.get("namespace") or DEFAULT_NAMESPACE

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.scope["headers"] if key == name), b"")

    async def body(self) -> bytes:
        """Raises `Refused` when it is too long."""
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client went away")
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise Refused(error(413, f"a body is at most {MAX_BODY_BYTES} bytes"))
            if not message.get("more_body", False):
                return bytes(body)

    async def json(self) -> dict[str, Any]:
        """Raises `Refused` when it is no object, or when it holds half a character, which no file could keep."""
        try:
            value = json.loads(await self.body())
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Refused(error(400, "the body must be a JSON object"))
        return value


# None: the route has answered itself.
Route = Callable[["Platform", Call], Awaitable[Reply | None]]


class Refused(Exception):
    """Carries the answer out of wherever the fault was found."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error(status: int, text: str) -> Reply:
    """A sentence of the platform's own, ended and marked as Go's server does."""
    return Reply(status, f"{text}\n".encode(), headers=(NOSNIFF,))


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A field that must be text, if it is there. Raises `Refused`."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Refused(error(400, f"{name} must be text"))
    return value or ""


def bare(status: int, text: str) -> Reply:
    return Reply(status, text.encode())


def as_json(status: int, value: object) -> Reply:
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), JSON)


PAGE_NOT_FOUND = error(404, "404 page not found")
METHOD_NOT_ALLOWED = Reply(405)
ACCEPTED = Reply(202)
