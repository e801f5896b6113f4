"""Records calls: what the function was sent and what it answered."""

import time
from typing import Any

from emulator.asgi import Message, Receive, Scope, Send
from emulator.faults.calls import Forward
from emulator.recording.exchange import Tap
from emulator.recording.recorder import Recorder, message
from emulator.revision import Revision


class RecordedCalls:
    def __init__(self, forward: Forward, recorder: Recorder) -> None:
        self._forward = forward
        self._recorder = recorder

    async def forward(self, revision: Revision, scope: Scope, receive: Receive, send: Send, path: bytes) -> None:
        key = revision.spec.key
        if not self._recorder.wants(key):
            await self._forward(revision, scope, receive, send, path)
            return
        began_s, asked, told = time.monotonic(), Tap(), Tap()
        start: dict[str, Any] = {}

        async def hear() -> Message:
            heard = await receive()
            asked.add(heard.get("body", b""))
            return heard

        async def say(said: Message) -> None:
            if said["type"] == "http.response.start":
                start.update(said)
            else:
                told.add(said.get("body", b""))
            await send(said)

        await self._forward(revision, scope, hear, say, path)
        query = scope["query_string"]
        target = (path + b"?" + query if query else path).decode("latin-1")
        answer = message(str(start["status"]), start["headers"], told.kept) if start else None
        request = message(target, scope["headers"], asked.kept)
        self._recorder.keep("call", key, scope["method"], request, answer, (time.monotonic() - began_s) * 1000)
