"""Where asynchronous calls call back."""

import asyncio

from aiohttp import web


class Callback:
    """Somewhere to be called back at, and what came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.came: asyncio.Queue[tuple[str, dict[str, str], bytes]] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.came.put_nowait((request.path_qs, headers, await request.read()))
        return web.Response(status=204)

    async def next(self) -> tuple[str, dict[str, str], bytes]:
        async with asyncio.timeout(10):
            return await self.came.get()
