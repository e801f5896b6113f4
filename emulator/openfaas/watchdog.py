"""What runs inside the built-in images: the classic watchdog, a process a request, and a redirector.

Started by path in a process of its own, so it imports nothing of ours.
"""

import asyncio
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
TEXT = b"text/plain; charset=utf-8"
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "ms": 0.001}


class Watchdog:
    """`fprocess`, `exec_timeout`, `max_inflight` and `content_type` mean what they mean in the real one."""

    def __init__(self, environment: "os._Environ[str]") -> None:
        self._command = [word for word in environment.get("fprocess", "").split(" ") if word]
        self._timeout_s = _seconds(environment.get("exec_timeout", ""))
        self._content_type = environment.get("content_type", "").encode()
        self._limit = int(environment.get("max_inflight") or 0)
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/_/health":
            await _answer(send, 200, b"OK", TEXT)
        elif self._limit and self._in_flight >= self._limit:
            text = f"Concurrent request limit exceeded. Max concurrent requests: {self._limit}\n"
            await _answer(send, 429, text.encode(), b"text/plain", (b"x-openfaas-internal", b"faas-middleware"))
        elif scope["path"] == "/_/ready":
            await _answer(send, 200)
        elif scope["method"] not in METHODS:
            await _answer(send, 405)
        else:
            await self._handle(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_flight += 1
        try:
            body = await _body(receive)
            began_s = time.monotonic()
            code, output = await self._run(cgi_environment(scope, len(body)), body)
            seconds = time.monotonic() - began_s
        finally:
            self._in_flight -= 1
        if code is None:
            await _answer(send, 408, b"Killed process.\n", TEXT)
        elif code != 0:
            await _answer(send, 500, f"{_exit(code)}\n".encode() + output, TEXT)
        else:
            _log(f"Wrote {len(output)} Bytes - Duration: {seconds:.6f}s")
            await _answer(send, 200, output, self._type(scope, output), (b"x-duration-seconds", b"%f" % seconds))

    async def _run(self, environment: dict[str, str], body: bytes) -> tuple[int | None, bytes]:
        """Return code and output; no code when it was killed for its time."""
        _log("Forking fprocess.")
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE if body else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **environment},
            )
        except OSError as error:
            return 1, f"{self._command[0]}: {error.strerror}\n".encode()
        try:
            async with asyncio.timeout(self._timeout_s):
                output, _ = await process.communicate(body or None)
        except TimeoutError:
            _log(f"Killing process: {' '.join(self._command)}")
            process.kill()
            await process.wait()
            return None, b""
        assert process.returncode is not None
        return process.returncode, output

    def _type(self, scope: Scope, output: bytes) -> bytes:
        if self._content_type:
            return self._content_type
        asked = dict(scope["headers"]).get(b"content-type")
        if asked is not None:
            return bytes(asked)
        return b"application/octet-stream" if b"\0" in output[:512] else TEXT


def redirector(destination: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    async def redirect(scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(send, 302, b"", TEXT, (b"location", destination.encode()))

    return redirect


def cgi_environment(scope: Scope, length: int) -> dict[str, str]:
    found = {}
    for name, value in scope["headers"]:
        key = "_".join(word.capitalize() for word in name.decode("latin-1").split("-"))
        found[f"Http_{key}"] = value.decode("latin-1").replace("\0", "")
    found |= {"Http_Method": scope["method"], "Http_ContentLength": str(length), "Http_Content_Length": str(length)}
    if scope["query_string"]:
        found["Http_Query"] = scope["query_string"].decode("latin-1").replace("\0", "")
    found["Http_Path"] = scope["path"].replace("\0", "")
    return found


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the caller went away")
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _answer(send: Send, status: int, body: bytes = b"", content_type: bytes = b"", *extra: Header) -> None:
    headers = [(b"content-length", str(len(body)).encode()), *extra]
    if content_type:
        headers.append((b"content-type", content_type))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _seconds(text: str) -> float | None:
    """A Go duration or whole seconds; 0 and nothing mean no limit."""
    parts = re.findall(r"([\d.]+)(ms|[hms]?)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts) or None


def _exit(code: int) -> str:
    return f"exit status {code}" if code > 0 else f"signal: {-code}"


def _log(text: str) -> None:
    print(time.strftime("%Y/%m/%d %H:%M:%S"), text, flush=True)


def main() -> None:
    if sys.argv[1:] == ["redirector"]:
        app: Any = redirector(os.environ.get("destination", ""))  # noqa: SIM112 - the image is written so
    else:
        app = Watchdog(os.environ)
    port = int(os.environ["PORT"])
    _log(f"Listening on port: {port}")
    # uvloop raises when a process ends before it has read what is written to it.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="asyncio",
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main()
