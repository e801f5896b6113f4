"""A broker's surroundings for tests: time that jumps, subscribers with a script, manifests in a few words."""

import asyncio
import errno
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from emulator.broker.brokers import Ack, Brokers
from emulator.broker.decode import decode
from emulator.broker.event import Event
from emulator.broker.ports import Answer, Errand, Headers, Timer, Unreachable
from emulator.eventing import Eventing, read

T = TypeVar("T")
Script = Callable[["Request"], Awaitable[Answer]]
START = datetime(2026, 11, 21, 1, 42, 27, 302341, UTC)


@dataclass(slots=True)
class _Timer:
    callback: Callable[[], None] | None

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """Jumps to the next timer whenever nothing else can happen; `busy` waits for work outside the loop."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.busy: Callable[[], Awaitable[bool]] | None = None
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = count()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self.elapsed_s + delay_s, next(self._order), timer))
        return timer

    async def sleep(self, delay_s: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay_s, partial(woken.set_result, None))
        try:
            await woken
        finally:
            timer.cancel()

    @asynccontextmanager
    async def timeout(self, delay_s: float) -> AsyncIterator[None]:
        limit = asyncio.timeout(None)
        timer = self.call_later(delay_s, lambda: limit.reschedule(0))
        try:
            async with limit:
                yield
        finally:
            timer.cancel()

    async def run(self, work: Awaitable[T]) -> T:
        """The result of `work`, with every timer on its way fired."""
        task = asyncio.ensure_future(work)
        while await self._settled() and not task.done():
            assert self._fire(), "the work waits for something that no timer brings"
        return task.result()

    async def run_out(self) -> None:
        """Until nothing is left that would ever happen."""
        while await self._settled() and self._fire():
            pass

    async def _settled(self) -> bool:
        loop: Any = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)
            if not loop._ready and not (self.busy and await self.busy()):
                return True

    def _fire(self) -> bool:
        while self._timers:
            at, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self.elapsed_s = max(self.elapsed_s, at)
                timer.callback()
                return True
        return False


@dataclass(frozen=True, slots=True)
class Request:
    url: str
    headers: Headers
    body: bytes
    method: str
    at_s: float

    @property
    def to(self) -> str:
        return urlsplit(self.url).path.strip("/") or urlsplit(self.url).netloc

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class Subscribers:
    """A `Sender`: answers by the first part of the path (or the function's name), 202 where no script is."""

    clock: VirtualClock
    scripts: dict[str, Script] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    async def send(self, errand: Errand) -> Answer:
        url = errand.destination.url
        if ":9999" in url:
            raise Unreachable("nobody there") from ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        request = Request(url, tuple(errand.headers), errand.body, errand.method, self.clock.elapsed_s)
        self.requests.append(request)
        script = self.scripts.get(request.to.partition(".")[0])
        return await script(request) if script else Answer(202)

    def to(self, name: str) -> list[Request]:
        return [request for request in self.requests if request.to == name]


def always(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, sleep_s: float = 0.0) -> Script:
    return lambda request: _after(request, Answer(status, tuple((headers or {}).items()), body), sleep_s)


async def _after(_: Request, answer: Answer, sleep_s: float) -> Answer:
    if sleep_s:
        await asyncio.Event().wait()
    return answer


def uri(name: str) -> dict[str, str]:
    return {"uri": f"http://127.0.0.1:9000/{name}"}


def eventing(triggers: Mapping[str, Mapping[str, Any]], delivery: Mapping[str, Any] | None = None) -> Eventing:
    """Broker `ns/default`; each trigger's subscriber is `/<name>` of the recorder unless it says otherwise."""
    broker = {**_manifest("Broker", "default"), "spec": {"delivery": dict(delivery or {})}}
    return read([broker, *(_trigger(name, spec) for name, spec in triggers.items())])


def _trigger(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {**_manifest("Trigger", name), "spec": {"broker": "default", "subscriber": uri(name), **spec}}


def _manifest(kind: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": kind,
        "metadata": {"namespace": "ns", "name": name.replace("_", "-")},
    }


class World:
    def __init__(self, given: Eventing, folder: Path, *, ack: Ack, ttl: int, parallelism: int) -> None:
        self.clock = VirtualClock()
        self.subscribers = Subscribers(self.clock)
        self.brokers = Brokers(
            given,
            self.subscribers,
            clock=self.clock,
            journal_path=folder / "broker.db",
            ack=ack,
            ttl=ttl,
            parallelism=parallelism,
            drain_s=0.0,
        )
        self.clock.busy = self._writing

    async def _writing(self) -> bool:
        journal = self.brokers._journal
        if journal is None or journal._writing is None:
            return False
        await asyncio.wait([journal._writing])
        return True

    async def post(self, headers: Mapping[str, str], body: bytes = b"", path: str = "/ns/default") -> int:
        """The status, once it is known; deliveries may go on."""
        status, _ = await self.clock.run(request(self.brokers, "POST", path, headers, body))
        return status


@asynccontextmanager
async def world(
    given: Eventing, folder: Path, *, ack: Ack = "durable", ttl: int = 255, parallelism: int = 64
) -> AsyncIterator[World]:
    made = World(given, folder, ack=ack, ttl=ttl, parallelism=parallelism)
    await made.brokers.start()
    try:
        yield made
    finally:
        await made.brokers.stop()


async def request(
    brokers: Brokers,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    leaves: bool = False,
) -> tuple[int, dict[str, str]]:
    """One HTTP request to the broker's ASGI side: status and headers; the body of every answer is empty."""
    sent: list[Any] = []
    raw, _, query = f"/broker{path}".partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": raw,
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    messages: asyncio.Queue[Any] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": body, "more_body": False})
    if leaves:
        messages.put_nowait({"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await brokers(scope, messages.get, send)
    assert b"".join(message.get("body", b"") for message in sent[1:]) == b""
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def event(**attributes: str) -> Event:
    given = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"} | attributes
    made = decode([(f"ce-{name}".encode(), value.encode()) for name, value in given.items()], b"{}")
    assert made is not None
    return made
