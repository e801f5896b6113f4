"""What runs inside images of a process a request: the classic watchdog, its two later modes, and a redirector.

Started by path in a process of its own, so it imports nothing of ours.
"""

import asyncio
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
TEXT = b"text/plain; charset=utf-8"
BYTES = b"application/octet-stream"
STREAMING, SERIALIZING = "streaming", "serializing"
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "ms": 0.001}


class Watchdog:
    """`mode`, `fprocess`, `exec_timeout`, `max_inflight` and `content_type` mean what they mean in the real ones."""

    def __init__(self, environment: "os._Environ[str]") -> None:
        self._mode = environment.get("mode", "")
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
            self._in_flight += 1
            try:
                await (self._stream if self._mode == STREAMING else self._handle)(scope, receive, send)
            finally:
                self._in_flight -= 1

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        began_s = time.monotonic()
        later = self._mode == SERIALIZING
        code, output = await self._run(cgi_environment(scope, None if later else len(body)), body)
        seconds = time.monotonic() - began_s
        took = (b"x-duration-seconds", b"%f" % seconds)
        if code is None:
            await _answer(send, 408, b"Killed process.\n", TEXT)
        elif later:
            if code:
                _log(_exit(code))
            _log(f"{scope['method']} {scope['path']} - 200 - ContentLength: {len(output)}B ({seconds:.4f}s)")
            output = _exit(code).encode() if code else output
            await _answer(send, 500 if code else 200, output, self._content_type or BYTES, took)
        elif code != 0:
            await _answer(send, 500, f"{_exit(code)}\n".encode() + output, TEXT)
        else:
            _log(f"Wrote {len(output)} Bytes - Duration: {seconds:.6f}s")
            await _answer(send, 200, output, self._type(scope, output), took)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Both ways at once. The status is out before the process is: a failure is only in the log."""
        try:
            process = await self._spawn(cgi_environment(scope, None), stderr=None)
        except OSError as error:
            _log(f"{self._command[0]}: {error.strerror}")
            await _answer(send, 500)
            return
        assert process.stdin is not None
        assert process.stdout is not None
        feeding = asyncio.create_task(_feed(receive, process.stdin), name="request body")
        type_ = (b"content-type", self._content_type or BYTES)
        await send({"type": "http.response.start", "status": 200, "headers": [type_]})
        try:
            async with asyncio.timeout(self._timeout_s):
                while piece := await process.stdout.read(64 * 1024):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                code = await process.wait()
            if code:
                _log(_exit(code))
        except TimeoutError:
            _log(f"Killing process: {' '.join(self._command)}")
        finally:
            feeding.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        await send({"type": "http.response.body", "body": b""})

    async def _run(self, environment: dict[str, str], body: bytes) -> tuple[int | None, bytes]:
        """Return code and output; no code when it was killed for its time."""
        if self._mode != SERIALIZING:
            _log("Forking fprocess.")
        stderr = None if self._mode == SERIALIZING else asyncio.subprocess.STDOUT
        try:
            process = await self._spawn(environment, stderr)
        except OSError as error:
            return 1, f"{self._command[0]}: {error.strerror}\n".encode()
        try:
            async with asyncio.timeout(self._timeout_s):
                output, _ = await process.communicate(body)
        except TimeoutError:
            _log(f"Killing process: {' '.join(self._command)}")
            process.kill()
            await process.wait()
            return None, b""
        assert process.returncode is not None
        return process.returncode, output

    async def _spawn(self, environment: dict[str, str], stderr: int | None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **environment},
        )

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


def cgi_environment(scope: Scope, length: int | None) -> dict[str, str]:
    """`length` None: as the later watchdog has it, which tells neither that nor the host."""
    found = {}
    for name, value in scope["headers"]:
        if length is None and name == b"host":
            continue
        key = "_".join(word.capitalize() for word in name.decode("latin-1").split("-"))
        found[f"Http_{key}"] = value.decode("latin-1").replace("\0", "")
    found["Http_Method"] = scope["method"]
    if length is not None:
        found |= {"Http_ContentLength": str(length), "Http_Content_Length": str(length)}
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


async def _feed(receive: Receive, process: asyncio.StreamWriter) -> None:
    """The body as it comes; whoever reads no further is not waited for."""
    with suppress(BrokenPipeError, ConnectionResetError):
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            process.write(message.get("body", b""))
            await process.drain()
        process.close()


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
