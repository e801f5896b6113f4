"""What is no HTTP, or says two things at once, gets a problem too, though no route has seen it."""

import json
import uuid

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.problems import MEDIA_TYPE, problem

# Two of these contradict each other, and who reads the first may stand before one who reads the last.
SINGLE = frozenset(
    (b"authorization", b"content-encoding", b"content-type", b"idempotency-key", b"x-api-key", b"x-request-id")
)


class Protocol(HttpToolsProtocol):
    """uvicorn's, but for the answer to bytes that it cannot read."""

    def send_400_response(self, msg: str) -> None:
        request_id = uuid.uuid4().hex
        body = {
            "type": "urn:sluice:problem:malformed_request",
            "title": "Bad Request",
            "status": 400,
            "detail": "this is not an HTTP request that can be read",
            "code": "malformed_request",
            "request_id": request_id,
        }
        content = json.dumps(body).encode()
        lines = (
            b"HTTP/1.1 400 Bad Request",
            b"content-type: " + MEDIA_TYPE.encode(),
            b"content-length: %d" % len(content),
            b"x-request-id: " + request_id.encode(),
            b"connection: close",
        )
        self.transport.write(b"\r\n".join((*lines, b"", content)))
        self.transport.close()


class SingleHeaders:
    """Refuses a request that says twice what can be said once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            names = [name for name, _ in scope["headers"] if name in SINGLE]
            if len(names) > len(set(names)):
                await _twice(names)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _twice(names: list[bytes]) -> ASGIApp:
    name = next(name for name in names if names.count(name) > 1).decode()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        said = f"the header {name} is there twice; send it once"
        await problem(Request(scope), 400, "header_repeated", said, field=name)(scope, receive, send)

    return answer
