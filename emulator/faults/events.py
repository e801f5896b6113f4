"""Faults of events: between the broker or a tick and the function that is to get it."""

import contextlib

from emulator.broker.ports import Answer, Errand, Sender, Unreachable
from emulator.faults.faults import Faults
from emulator.fleet import Fleet


class FaultySender:
    """Sends as `sender` does, unless a fault says otherwise. An event that is dropped counts as delivered."""

    def __init__(self, sender: Sender, faults: Faults, fleet: Fleet) -> None:
        self._sender = sender
        self._faults = faults
        self._fleet = fleet

    async def send(self, errand: Errand) -> Answer:
        revision = self._fleet.receiver(errand.destination) if self._faults else None
        if revision is None:
            return await self._sender.send(errand)
        key = revision.spec.key
        hits = self._faults.drawn(key, "events")
        for hit in hits:
            if hit.fault.kind == "delay":
                await hit.delay()
            elif hit.fault.kind == "reorder":
                await hit.hold(key)
        if refusing := next((hit for hit in hits if hit.fault.kind in ("drop", "5xx")), None):
            return Answer(202 if refusing.fault.kind == "drop" else refusing.fault.status)
        answer = await self._sender.send(errand)
        if any(hit.fault.kind == "duplicate" for hit in hits):
            with contextlib.suppress(Unreachable):
                await self._sender.send(errand)
        self._faults.passed(key)
        return answer
