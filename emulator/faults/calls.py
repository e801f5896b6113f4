"""Faults of calls: between the emulator's port and the proxy."""

import time
from collections.abc import Awaitable, Callable

from emulator.asgi import Message, Receive, Scope, Send, answer
from emulator.faults.body import KeptBody
from emulator.faults.faults import Armed, Faults
from emulator.proxy import Meter
from emulator.revision import Revision

Forward = Callable[[Revision, Scope, Receive, Send, bytes], Awaitable[None]]

HEADER = b"x-sluice-fault"
LOST = 502


class FaultyCalls:
    """Forwards as `forward` does, unless a fault says otherwise."""

    def __init__(self, forward: Forward, faults: Faults, meter: Meter) -> None:
        self._forward = forward
        self._faults = faults
        self._meter = meter

    async def forward(self, revision: Revision, scope: Scope, receive: Receive, send: Send, path: bytes) -> None:
        if not self._faults:
            await self._forward(revision, scope, receive, send, path)
            return
        key = revision.spec.key
        hits = self._faults.drawn(key, "calls")
        for hit in hits:
            if hit.fault.kind == "delay":
                await hit.delay()
            elif hit.fault.kind == "reorder":
                await hit.hold(key)
        if refusing := next((hit for hit in hits if hit.fault.kind in ("drop", "5xx")), None):
            await self._refuse(key, refusing, send)
            return
        if any(hit.fault.kind == "duplicate" for hit in hits):
            await self._twice(revision, scope, receive, send, path)
        else:
            await self._forward(revision, scope, receive, send, path)
        self._faults.passed(key)

    async def _refuse(self, key: str, hit: Armed, send: Send) -> None:
        """What a gateway answers when the request was lost on its way, or the function's own failure."""
        began_s = time.monotonic()
        self._meter.began(key)
        lost = hit.fault.kind == "drop"
        status, text = (LOST, "the request was lost") if lost else (hit.fault.status, "the function failed")
        body = f"{text}, as fault {hit.name} asks\n".encode()
        await answer(send, status, body, b"text/plain; charset=utf-8", (HEADER, hit.name.encode()))
        self._meter.ended(key, status, time.monotonic() - began_s)

    async def _twice(self, revision: Revision, scope: Scope, receive: Receive, send: Send, path: bytes) -> None:
        """The caller gets the first answer; the second one nobody."""
        body = KeptBody(receive)
        try:
            await body.read()
        except ConnectionResetError:
            return
        await self._forward(revision, scope, body.first(), send, path)
        if body.content is not None:
            await self._forward(revision, scope, body.copy(), _to_nobody, path)


async def _to_nobody(_: Message) -> None:
    pass
