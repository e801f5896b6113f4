"""A function for tests: what it does is in the path."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_running = 0
_most = 0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    global _running, _most
    _running += 1
    _most = max(_most, _running)
    try:
        await _ACTIONS.get(scope["path"].split("/")[1], _echo)(scope, receive, send)
    finally:
        _running -= 1


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    seen = {
        "method": scope["method"],
        "path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [(name.decode(), value.decode()) for name, value in scope["headers"]],
        "size": len(body),
        "body": body[:1000].decode(errors="replace"),
        "pid": os.getpid(),
        "most": _most,
    }
    await _answer(send, 200, json.dumps(seen).encode())


async def _env(scope: Scope, receive: Receive, send: Send) -> None:
    await _answer(send, 200, json.dumps({"env": dict(os.environ), "secrets": _secrets()}).encode())


def _secrets() -> dict[str, str]:
    return {file.name: file.read_text() for file in Path(os.environ["SECRETS_DIR"]).iterdir()}


async def _status(scope: Scope, receive: Receive, send: Send) -> None:
    await _answer(send, int(scope["path"].split("/")[2]), b"as asked", (b"location", b"/elsewhere"))


async def _slow(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(float(scope["path"].split("/")[2]))
    await _answer(send, 200, str(_most).encode())


async def _stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends each piece of the body back as it comes, and ends with the body."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _forever(scope: Scope, receive: Receive, send: Send) -> None:
    """Until the caller goes away, which is printed."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    leaving = asyncio.ensure_future(receive())
    while not leaving.done() or leaving.result()["type"] != "http.disconnect":
        if leaving.done():
            leaving = asyncio.ensure_future(receive())
        await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
        await asyncio.sleep(0.01)
    print("the caller went away", flush=True)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Before it has read anything, and closes."""
    await _answer(send, 413, b"too much", (b"content-length", b"8"), (b"connection", b"close"))


async def _hold(scope: Scope, receive: Receive, send: Send) -> None:
    """So many megabytes, for ever."""
    held = b"x" * (int(scope["path"].split("/")[2]) * 1_000_000)
    await asyncio.sleep(600)
    await _answer(send, 200, str(len(held)).encode())


async def _half(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    await asyncio.sleep(0.05)
    os._exit(7)


async def _die(scope: Scope, receive: Receive, send: Send) -> None:
    print("dying as asked", flush=True)
    os._exit(3)


async def _fork(scope: Scope, receive: Receive, send: Send) -> None:
    """A grandchild in a process group of its own, as RQ's horses are."""
    await _answer(send, 200, str(_grandchild()).encode())


def _grandchild() -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0).pid


async def _say(scope: Scope, receive: Receive, send: Send) -> None:
    print(scope["path"].split("/")[2], flush=True)
    await _answer(send, 204, b"")


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


_ACTIONS = {
    "env": _env,
    "status": _status,
    "slow": _slow,
    "stream": _stream,
    "forever": _forever,
    "half": _half,
    "hold": _hold,
    "refuse": _refuse,
    "die": _die,
    "fork": _fork,
    "say": _say,
}


if __name__ == "__main__":
    if "--stubborn" in sys.argv:
        uvicorn.Server.handle_exit = lambda *_: None  # type: ignore[method-assign]
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", lifespan="off")
