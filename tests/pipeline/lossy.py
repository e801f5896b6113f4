"""A broker that promises nothing: it loses every tenth event or answer, and tries nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp
from starlette.requests import Request
from starlette.responses import Response

from shared.events.codec import decode
from shared.events.event import CloudEvent
from shared.publish.routes import load_routes
from tests.local_http import asgi, serving
from tests.pipeline.platform import ROOT

EVERY = 10
Raw = tuple[dict[str, str], bytes]


@dataclass
class LossyBroker:
    """`lost` and `carried` are event types, in order. `port` is the platform's."""

    port: int = 0
    lost: list[str] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    _number: "count[int]" = field(default_factory=lambda: count(1))
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def take(self, request: Request) -> Response:
        self._carry((dict(request.headers), await request.body()))
        return Response(status_code=202)

    def _carry(self, raw: Raw) -> None:
        event = decode(*raw)
        if next(self._number) % EVERY == 0:
            self.lost.append(event.type)
            return
        self.carried.append(event.type)
        task = asyncio.create_task(self._deliver(event, raw), name=f"event {event.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: CloudEvent, raw: Raw) -> None:
        headers = {name: value for name, value in raw[0].items() if name.startswith("ce-")} | {"prefer": "reply"}
        headers["content-type"] = "application/json"
        for route in load_routes(ROOT / "triggers"):
            if route.wants(event):
                url = f"http://127.0.0.1:{self.port}/function/{route.function}"
                async with aiohttp.ClientSession() as session, session.post(url, data=raw[1], headers=headers) as reply:
                    body = await reply.read()
                    if body and reply.ok:
                        self._carry(({name.lower(): value for name, value in reply.headers.items()}, body))

    async def quiet(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def lossy_broker() -> AsyncIterator[tuple[LossyBroker, str]]:
    """And its address."""
    broker = LossyBroker()
    async with serving(asgi(broker.take)) as url:
        yield broker, url
        await broker.quiet()
