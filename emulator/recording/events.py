"""Records events: what a broker or a tick delivered to a function, and its reply."""

import time

from emulator.broker.ports import Answer, Errand, Headers, Sender
from emulator.fleet import Fleet
from emulator.recording.exchange import Tap
from emulator.recording.recorder import Recorder, message


class RecordingSender:
    def __init__(self, sender: Sender, recorder: Recorder, fleet: Fleet) -> None:
        self._sender = sender
        self._recorder = recorder
        self._fleet = fleet

    async def send(self, errand: Errand) -> Answer:
        began_s = time.monotonic()
        answer = await self._sender.send(errand)
        revision = self._fleet.receiver(errand.destination)
        if revision is not None and self._recorder.wants(revision.spec.key):
            request = message(errand.path, _raw(errand.headers), _tapped(errand.body).kept)
            told = message(str(answer.status), _raw(answer.headers), _tapped(answer.body).kept)
            ms = (time.monotonic() - began_s) * 1000
            self._recorder.keep("event", revision.spec.key, errand.method, request, told, ms)
        return answer


def _raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]


def _tapped(body: bytes) -> Tap:
    tap = Tap()
    tap.add(body)
    return tap
