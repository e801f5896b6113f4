"""`/async-function/<name>` takes a call to be made later; `/system/async/<call id>` tells what became of it."""

import base64
import sqlite3
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from emulator.asgi import Header
from emulator.openfaas.asynchronous.store import Answer, StoredCall, Submission
from emulator.openfaas.asynchronous.worker import forwarded
from emulator.openfaas.call import ACCEPTED, METHOD_NOT_ALLOWED, Call, Reply, as_json, error
from emulator.openfaas.community import MOST_ASYNC_BYTES
from emulator.openfaas.platform import Platform


async def submit(platform: Platform, call: Call) -> Reply:
    """Answered 202 whether or not there is such a function: that is found out when it is called."""
    started = str(time.time_ns()).encode()
    given = call.header(b"x-call-id")
    call_id = given or str(uuid.uuid4()).encode()
    told: tuple[Header, ...] = ((b"x-start-time", started), *(() if given else ((b"x-call-id", call_id),)))
    callback = call.header(b"x-callback-url").decode("latin-1")
    if problem := _problem(callback):
        refused = error(400, problem)
        return Reply(400, refused.body, headers=(*refused.headers, *told))
    body = await call.body()
    if platform.edition == "ce" and len(body) > MOST_ASYNC_BYTES:
        return error(500, f"the body is over {MOST_ASYNC_BYTES} bytes, the most that Community Edition queues")
    headers = forwarded([*call.scope["headers"], *told])
    submission = Submission(
        call_id=call_id.decode("latin-1"),
        function=call.path["name"],
        target=_target(call),
        headers=headers,
        body=body,
        callback=callback or None,
        submitted_s=time.time(),
    )
    try:
        await platform.calls.submit(submission)
    except sqlite3.Error as failure:
        return error(500, f"the call could not be stored: {failure}")
    return Reply(202, headers=told)


async def cancel(platform: Platform, call: Call) -> Reply:
    """By call id. Without such a call, as a gateway that cannot cancel any."""
    found = await platform.calls.store.find(call.path["name"])
    if found is None or platform.edition == "ce":
        return METHOD_NOT_ALLOWED
    if not await platform.calls.cancel(found):
        return error(409, f"call {found.submission.call_id} is over")
    return ACCEPTED


async def status(platform: Platform, call: Call) -> Reply:
    found = await platform.calls.store.find(call.path["id"])
    if found is None:
        return error(404, f"call {call.path['id'][:200]} not found")
    return as_json(200, _told(found))


def _target(call: Call) -> str:
    """As it was written, still encoded."""
    path: bytes = call.scope["raw_path"]
    _, slash, rest = path.removeprefix(b"/async-function/").partition(b"/")
    query: bytes = call.scope["query_string"]
    return (slash + rest + (b"?" + query if query else b"")).decode("latin-1")


def _problem(callback: str) -> str:
    if not callback:
        return ""
    if callback.startswith(":"):
        return f'parse "{callback}": missing protocol scheme'
    try:
        parts = urlsplit(callback)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    return "" if usable else f'parse "{callback[:500]}": the callback must be an http or https URL'


def _told(call: StoredCall) -> dict[str, Any]:
    asked = call.submission
    told: dict[str, Any] = {
        "callId": asked.call_id,
        "function": asked.function,
        "state": "running" if call.state == "answered" else call.state,
        "attempts": call.attempts,
        "submittedAt": _moment(asked.submitted_s),
        "startedAt": _moment(call.started_s),
        "endedAt": _moment(call.ended_s),
        "status": None if call.answer is None else call.answer.status,
        "result": None if call.answer is None else _result(call.answer),
    }
    if asked.callback is not None:
        told["callback"] = {"url": asked.callback, "outcome": call.callback_outcome}
    return {key: value for key, value in told.items() if value is not None}


def _result(answer: Answer) -> dict[str, Any]:
    """`body` is text where it is UTF-8, else `bodyBase64`."""
    try:
        body = {"body": answer.body.decode()}
    except UnicodeDecodeError:
        body = {"bodyBase64": base64.b64encode(answer.body).decode()}
    return {"headers": dict(answer.headers), **body}


def _moment(at_s: float | None) -> str | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")
