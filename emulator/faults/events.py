"""Faults of events: between the broker or a tick and the function that is to get it."""

import contextlib
from typing import Literal

from emulator.broker.ports import Answer, FunctionDestination, Headers, Sender, Unreachable, UriDestination
from emulator.faults.faults import Faults
from emulator.fleet import Fleet


class FaultySender:
    """Sends as `sender` does, unless a fault says otherwise. An event that is dropped counts as delivered."""

    def __init__(self, sender: Sender, faults: Faults, fleet: Fleet) -> None:
        self._sender = sender
        self._faults = faults
        self._fleet = fleet

    async def send(
        self,
        destination: FunctionDestination | UriDestination,
        headers: Headers,
        body: bytes,
        *,
        method: Literal["POST", "GET"] = "POST",
    ) -> Answer:
        key = self._key(destination) if self._faults else None
        if key is None:
            return await self._sender.send(destination, headers, body, method=method)
        hits = self._faults.drawn(key, "events")
        for hit in hits:
            if hit.fault.kind == "delay":
                await hit.delay()
            elif hit.fault.kind == "reorder":
                await hit.hold(key)
        if refusing := next((hit for hit in hits if hit.fault.kind in ("drop", "5xx")), None):
            return Answer(202 if refusing.fault.kind == "drop" else refusing.fault.status)
        answer = await self._sender.send(destination, headers, body, method=method)
        if any(hit.fault.kind == "duplicate" for hit in hits):
            with contextlib.suppress(Unreachable):
                await self._sender.send(destination, headers, body, method=method)
        self._faults.passed(key)
        return answer

    def _key(self, destination: FunctionDestination | UriDestination) -> str | None:
        if isinstance(destination, UriDestination):
            return None
        revision = self._fleet.named(destination.name, destination.namespace)
        return None if revision is None else revision.spec.key
