"""A broker that promises nothing: it loses, doubles, delays and so reorders, and tries nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
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

Raw = tuple[dict[str, str], bytes]
# What becomes of the n-th event or answer, from 1: the seconds after which it is delivered, each time that it is.
Fate = Callable[[int], Sequence[float]]


def every_tenth_lost(number: int) -> Sequence[float]:
    return () if number % 10 == 0 else (0.0,)


@dataclass
class TroubledBroker:
    """`lost` and `carried` are event types, in order; `taken` all that was handed in. `port` is the platform's."""

    fate: Fate
    port: int = 0
    lost: list[str] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    taken: list[CloudEvent] = field(default_factory=list)
    _number: "count[int]" = field(default_factory=lambda: count(1))
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def take(self, request: Request) -> Response:
        self._carry((dict(request.headers), await request.body()))
        return Response(status_code=202)

    def _carry(self, raw: Raw) -> None:
        event = decode(*raw)
        self.taken.append(event)
        waits_s = self.fate(next(self._number))
        (self.carried if waits_s else self.lost).append(event.type)
        for wait_s in waits_s:
            task = asyncio.create_task(self._deliver(event, raw, wait_s), name=f"event {event.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: CloudEvent, raw: Raw, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        headers = {name: value for name, value in raw[0].items() if name.startswith("ce-")} | {"prefer": "reply"}
        headers["content-type"] = "application/json"
        for route in load_routes(ROOT / "triggers"):
            if route.wants(event):
                with suppress(aiohttp.ClientError, TimeoutError):  # nobody there: it is lost, too
                    await self._post(f"http://127.0.0.1:{self.port}/function/{route.function}", headers, raw[1])

    async def _post(self, url: str, headers: dict[str, str], data: bytes) -> None:
        async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=headers) as reply:
            body = await reply.read()
            if body and reply.ok:
                self._carry(({name.lower(): value for name, value in reply.headers.items()}, body))

    async def quiet(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def troubled_broker(fate: Fate) -> AsyncIterator[tuple[TroubledBroker, str]]:
    """And its address."""
    broker = TroubledBroker(fate)
    async with serving(asgi(broker.take)) as url:
        yield broker, url
        await broker.quiet()
