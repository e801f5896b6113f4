"""A small web site with everything that happens to a crawler: in-process, or `python -m tests.fakes.site`.

| path | what |
|---|---|
| the given pages, `/robots.txt` | with ETag and Last-Modified; 304 when nothing changed |
| `/redirect/<n>` | n hops to `/`; `/loop` never arrives |
| `/status/<code>` | that status |
| `/busy/<n>` | 429 with `Retry-After: 1` for the first n requests, then a page |
| `/slow/<seconds>`, `/endless` | a drip; a stream without end |
| `/bomb`, `/huge` | 1 GiB of zeros as gzip; a page of 50 MB |
| `/charset`, `/empty`, `/image` | says UTF-8 and is Latin-1; no body; a PNG |
| `/_requests` | JSON: path → times of the requests (Unix seconds) |
"""

import argparse
import asyncio
import gzip
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import uvicorn

from tests.local_http import serving

PARAGRAPH = "Sluice keeps the order of things, one page after another, and forgets none of them. "
HTML = "text/html; charset=utf-8"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
LAST_MODIFIED = "Wed, 18 Nov 2026 09:00:00 GMT"
_MEGABYTE = 1024 * 1024

Send = Callable[[Any], Any]
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    body: bytes
    content_type: str = HTML
    last_modified: str = LAST_MODIFIED

    @property
    def etag(self) -> str:
        return f'"{sha256(self.body).hexdigest()[:16]}"'


def article(title: str, text: str = PARAGRAPH * 10) -> Page:
    body = f"<!doctype html><html lang=en><title>{title}</title><article><h1>{title}</h1><p>{text}</p></article>"
    return Page(body.encode())


class Site:
    """An ASGI application. `pages` may be changed while it serves; `requests` tells who asked for what, and when."""

    def __init__(self, pages: Mapping[str, Page] | None = None, robots: str = "User-agent: *\nAllow: /\n") -> None:
        self.pages = dict(pages or {"/": article("Home"), "/about": article("About")})
        self.pages["/robots.txt"] = Page(robots.encode(), "text/plain")
        self.requests: dict[str, list[float]] = defaultdict(list)

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        path = scope["path"]
        if path == "/_requests":
            await _respond(send, 200, json.dumps(self.requests).encode(), {"content-type": "application/json"})
            return
        self.requests[path].append(time.time())
        if path in self.pages:
            await self._page(scope, send, self.pages[path])
            return
        name, _, argument = path.strip("/").partition("/")
        special = _SPECIAL.get(name)
        if special is None:
            await _respond(send, 404, b"<h1>Not found</h1>")
        else:
            await special(self, send, argument)

    async def _page(self, scope: Any, send: Send, page: Page) -> None:
        asked = dict(scope["headers"])
        headers = {"etag": page.etag, "last-modified": page.last_modified, "content-type": page.content_type}
        unchanged = asked.get(b"if-none-match") == page.etag.encode() or (
            b"if-none-match" not in asked and asked.get(b"if-modified-since") == page.last_modified.encode()
        )
        if unchanged:
            await _respond(send, 304, b"", headers)
        else:
            await _respond(send, 200, page.body, headers)


async def _respond(send: Send, status: int, body: bytes = b"", headers: Headers | None = None) -> None:
    await _start(send, status, {"content-type": HTML, "content-length": str(len(body))} | (headers or {}))
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send, status: int, headers: Headers) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _stream(send: Send, parts: AsyncIterator[bytes], headers: Headers | None = None) -> None:
    await _start(send, 200, {"content-type": HTML} | (headers or {}))
    async for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _redirect(_: Site, send: Send, hops: str) -> None:
    target = f"/redirect/{int(hops) - 1}" if int(hops or 1) > 1 else "/"
    await _respond(send, 302, headers={"location": target})


async def _loop(_: Site, send: Send, turn: str) -> None:
    await _respond(send, 301, headers={"location": "/loop" if turn else "/loop/back"})


async def _status(_: Site, send: Send, code: str) -> None:
    await _respond(send, int(code), f"<h1>{code}</h1>".encode())


async def _busy(site: Site, send: Send, times: str) -> None:
    if len(site.requests[f"/busy/{times}"]) <= int(times or 1):
        await _respond(send, 429, b"busy", {"retry-after": "1"})
    else:
        await _respond(send, 200, article("No longer busy").body)


async def _slow(_: Site, send: Send, seconds: str) -> None:
    async def drip() -> AsyncIterator[bytes]:
        body = article("Slow").body
        step = max(1, len(body) // 20)
        for at in range(0, len(body), step):
            yield body[at : at + step]
            await asyncio.sleep(float(seconds or 1) / 20)

    await _stream(send, drip())


async def _endless(_: Site, send: Send, __: str) -> None:
    async def on() -> AsyncIterator[bytes]:
        yield b"<html><body><p>"
        while True:
            yield PARAGRAPH.encode() * 10
            await asyncio.sleep(0.01)

    await _stream(send, on())


async def _bomb(_: Site, send: Send, __: str) -> None:
    """Gzip members may follow one another, so a megabyte of zeros is compressed once."""
    body = gzip.compress(bytes(_MEGABYTE)) * 1024
    await _respond(send, 200, body, {"content-encoding": "gzip"})


async def _huge(_: Site, send: Send, __: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"<html><body>"
        for _ in range(50):
            yield (f"<p>{PARAGRAPH}</p>".encode() * 12_000)[:_MEGABYTE]

    await _stream(send, parts())


async def _charset(_: Site, send: Send, __: str) -> None:
    text = "Das Mädchen aß größere Äpfel über den Dächern von Köln. " * 20
    await _respond(send, 200, f"<html><title>Mädchen</title><article><p>{text}</p></article>".encode("latin-1"))


async def _empty(_: Site, send: Send, __: str) -> None:
    await _respond(send, 200)


async def _image(_: Site, send: Send, __: str) -> None:
    await _respond(send, 200, PNG, {"content-type": "image/png"})


_SPECIAL = {
    "redirect": _redirect,
    "loop": _loop,
    "status": _status,
    "busy": _busy,
    "slow": _slow,
    "endless": _endless,
    "bomb": _bomb,
    "huge": _huge,
    "charset": _charset,
    "empty": _empty,
    "image": _image,
}


@asynccontextmanager
async def open_site(site: Site) -> AsyncIterator[str]:
    """Serves on a free port of this process's loop; gives the base URL."""
    async with serving(site) as address:
        yield address


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(Site(), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
