"""What stands around a platform here: a web site whose pages can be held back, and a model that can be switched off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from demo.pages import own_site
from emulator.launcher import free_port
from tests.fakes.embeddings import FakeEmbeddings
from tests.fakes.site import Page, Site, article
from tests.local_http import serving

# A moved page, a missing one, a forbidden one, and one that is no text.
ODD = {
    "/redirect/1": ("indexed", None),
    "/status/404": ("failed", "http_404"),
    "/private/plans": ("failed", "robots_disallowed"),
    "/image": ("failed", "unsupported_content_type"),
}


class Dam:
    """An ASGI application in front of another: while it is closed, only as many requests pass as it was told."""

    def __init__(self, behind: ASGIApp, free_path: str = "") -> None:
        self._behind = behind
        self._free_path = free_path
        self._change = asyncio.Condition()
        self._closed = False
        self._free = 0
        self.held = 0

    def close(self, free: int = 0) -> None:
        self._closed, self._free = True, free

    async def open(self) -> None:
        self._closed = False
        async with self._change:
            self._change.notify_all()

    async def let(self, more: int) -> None:
        self._free += more
        async with self._change:
            self._change.notify_all()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._closed and scope["path"] != self._free_path:
            self.held += 1
            async with self._change:
                await self._change.wait_for(self._may_pass)
            self.held -= 1
        await self._behind(scope, receive, send)

    def _may_pass(self) -> bool:
        """Whoever asks and may, has passed."""
        if self._closed and self._free <= 0:
            return False
        self._free -= 1
        return True


@dataclass(frozen=True)
class Web:
    """The demo's pages. robots.txt is never held back."""

    base: str
    site: Site
    dam: Dam

    @property
    def urls(self) -> list[str]:
        return [self.base + path for path in self.site.pages if path != "/robots.txt"]

    def url(self, path: str) -> str:
        return self.base + path


@asynccontextmanager
async def web(pages: dict[str, Page] | None = None) -> AsyncIterator[Web]:
    site = Site(demo_pages() if pages is None else pages, robots="User-agent: *\nDisallow: /private/\n")
    dam = Dam(site, "/robots.txt")
    async with serving(dam) as base:
        try:
            yield Web(base, site, dam)
        finally:
            await dam.open()


def demo_pages() -> dict[str, Page]:
    good = {path: page for path, page in own_site().items() if page.status == 200 and "text" in page.content_type}
    fakes = {path: Page(page.body, page.content_type) for path, page in good.items() if path not in ODD}
    return {"/": article("Home"), **fakes}


class Endpoint:
    """A stub model. Down, nobody listens on its port. Platforms are told `url`."""

    def __init__(self) -> None:
        self.fake = FakeEmbeddings()
        self.dam = Dam(self.fake.app())
        self._port = free_port(set())
        self._up = AsyncExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def up(self) -> None:
        await self._up.enter_async_context(serving(self.dam, port=self._port))

    async def down(self) -> None:
        await self._up.aclose()

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        await self.down()
        try:
            yield
        finally:
            await self.up()

    @asynccontextmanager
    async def behaving(self, mode: str) -> AsyncIterator[None]:
        self.fake.mode = mode
        try:
            yield
        finally:
            self.fake.mode = "ok"


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    await made.up()
    try:
        yield made
    finally:
        await made.dam.open()
        await made.down()
