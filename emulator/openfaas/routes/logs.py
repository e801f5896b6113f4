"""`/system/logs`: what a function's replicas printed, a JSON object a line, also as it comes."""

import asyncio
import json
from datetime import datetime

from emulator.asgi import Receive, Send
from emulator.logs import LogLine, RotatingLog
from emulator.openfaas.call import Call, Refused, Reply, error
from emulator.openfaas.platform import Platform

NDJSON = b"application/x-ndjson"


class _Wanted:
    """Which lines, and how they are written."""

    def __init__(self, call: Call, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace
        self._instance = call.query.get("instance", "")
        self._since = _since(call.query.get("since", ""))

    def __call__(self, line: LogLine) -> bytes:
        """Nothing for a line that was not asked for."""
        if self._instance and line.instance != self._instance:
            return b""
        if self._since is not None and (_time(line.timestamp) or self._since) < self._since:
            return b""
        told = {
            "name": self._name,
            "namespace": self._namespace,
            "instance": line.instance,
            "timestamp": line.timestamp,
            "text": line.text,
        }
        return json.dumps(told).encode() + b"\n"


async def logs(platform: Platform, call: Call) -> Reply | None:
    name = call.query.get("name", "")
    found = platform.deployments.find(name, call.namespace)
    count = _count(call.query.get("tail", ""))
    wanted = _Wanted(call, name, call.namespace)
    if found is None:
        return error(404, f"function {name[:200]} not found")
    log = platform.launcher.log_of(found[0].key)
    if call.query.get("follow") not in ("true", "1"):
        lines = b"".join(wanted(line) for line in log.tail(None))
        return Reply(200, lines if count is None else _last(lines, count), NDJSON)
    await _stream(log, wanted, count, call.receive, call.send)
    return None


async def _stream(log: RotatingLog, wanted: _Wanted, count: int | None, receive: Receive, send: Send) -> None:
    """Until the caller goes away or the emulator ends."""
    following = asyncio.create_task(_follow(log, wanted, count, send), name="follow logs")
    leaving = asyncio.create_task(_until_disconnect(receive), name="follower of logs")
    try:
        await asyncio.wait({following, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        following.cancel()
        leaving.cancel()


async def _follow(log: RotatingLog, wanted: _Wanted, count: int | None, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", NDJSON)]})
    async for line in log.follow(count):
        if told := wanted(line):
            await send({"type": "http.response.body", "body": told, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _last(lines: bytes, count: int) -> bytes:
    return b"".join(lines.splitlines(keepends=True)[-count:]) if count else b""


def _count(text: str) -> int | None:
    """None: all of them, which is also what a negative number means."""
    try:
        count = int(text or "-1")
    except ValueError as problem:
        raise Refused(error(422, "tail must be a whole number")) from problem
    return None if count < 0 else count


def _since(text: str) -> datetime | None:
    if not text:
        return None
    found = _time(text)
    if found is None or found.tzinfo is None:
        raise Refused(error(422, "since must be a time such as 2006-01-02T15:04:05Z"))
    return found


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
