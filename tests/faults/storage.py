"""An S3 that can be in trouble: a real one's answers, refused, slowed or cut short on their way."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import aiohttp
from starlette.requests import Request
from starlette.responses import Response

from tests.local_http import asgi, serving

Mode: TypeAlias = Literal["ok", "failing", "slow", "truncated"]
SLOW_S = 1.0
BUCKET = "sluice"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
_HOP = frozenset({"host", "connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"})


@dataclass
class Storage:
    """Stands before the server at `behind`."""

    behind: str
    session: aiohttp.ClientSession
    mode: Mode = "ok"

    async def answer(self, request: Request) -> Response:
        body, mode = await request.body(), self.mode
        if mode == "failing":
            return Response("<Error><Code>InternalError</Code></Error>", 500, media_type="application/xml")
        if mode == "slow":
            await asyncio.sleep(SLOW_S)
        path = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        async with self.session.request(request.method, self.behind + path, data=body, headers=headers) as answer:
            content = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            if request.method == "HEAD":
                kept["content-length"] = answer.headers.get("content-length", "0")
            elif mode == "truncated" and request.method == "GET" and "/corpora/" in path:
                content = content[: len(content) // 2]
            return Response(content, answer.status, kept)


@asynccontextmanager
async def storage() -> AsyncIterator[tuple[Storage, dict[str, str]]]:
    """And the settings of a platform that keeps its objects there."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # else every request, of hundreds a second
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            behind = f"http://{host}:{port}"
            credential = "AWS4-HMAC-SHA256 Credential=test/0/us-east-1/s3/aws4"
            async with session.put(f"{behind}/{BUCKET}", headers={"Authorization": credential}) as made:
                assert made.status == 200, await made.text()
            store = Storage(behind, session)
            async with serving(asgi(store.answer)) as url:
                yield store, {"OBJECT_STORE_URL": f"s3://{BUCKET}", "AWS_ENDPOINT_URL": url, **KEYS}
    finally:
        server.stop()
