"""The recorded calls of functions, synchronous and asynchronous, made again: the answers and callbacks are alike."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import shared_data
from tests.emulator.openfaas.callback import Callback
from tests.emulator.openfaas.conftest import Open
from tests.emulator.openfaas.test_transcripts import TRANSCRIPTS
from tests.emulator.openfaas.world import Client

FUNCTION = f"python {Path(__file__).parents[1] / 'functions' / 'recorded.py'}"
ALPINE = {"image": "functions/alpine:latest", "fprocess": "cat"}
# The recorded one had 2 s, too near to its calls of 1 s for a machine that is busy, and calls of 4 s are over even so.
EXEC_TIMEOUT = "3.5s"
STACK = {
    "hello": {"fprocess": FUNCTION},
    "tick": {"fprocess": FUNCTION},
    "py": {"fprocess": FUNCTION, "image": "local/pyfn:1", "environment": {"exec_timeout": EXEC_TIMEOUT}},
    "catty": ALPINE,
    "classic": {**ALPINE, "fprocess": "env"},
}
CALLS = {"invoke": 17, "invoke_logged_in": 3, "cron_connector": 2, "real_gateway_mit": 22}
NOT_REPLAYED = {
    "build_publish": "no gateway: what the CLI does with files and Docker",
    "generate": "no gateway: what the CLI prints",
    "real_gateway_noprom_mit": "a gateway whose Prometheus is away; ours counts by itself",
    "watchdog": "no gateway: test_limits and test_builtin_images",
}
# The real watchdog is ready before the function behind it listens, and gives a first call a 500. Ours waits.
COLD = "SCALE FROM ZERO through real gateway"
PLATFORM_HEADERS = ("x-call-id", "x-start-time", "x-duration-seconds", "x-openfaas-internal", "content-type")


def steps(name: str) -> list[dict[str, Any]]:
    recording = json.loads(shared_data.path(f"golden/openfaas/{name}.json").read_text())
    return recording["steps"] if "steps" in recording else _runs(recording)


def _runs(recording: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"exchanges": run["distinct_exchanges"]} for run in recording["runs"].values()]


def calls(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Without those where the recording server was made to answer something."""
    for step in steps(name):
        for exchange in step.get("exchanges", []):
            forced = exchange.get("override") or step.get("note") == COLD
            at = exchange.get("at", "client->gateway")
            path = exchange["request"]["path"]
            if not forced and at == "client->gateway" and path.startswith(("/function/", "/async-function/")):
                yield exchange["request"], exchange["response"]


def test_every_recording_is_replayed_or_there_is_a_reason() -> None:
    folder = shared_data.path("golden/openfaas")
    recorded = {file.stem for file in folder.glob("*.json")}
    assert recorded == {*TRANSCRIPTS, *CALLS, *NOT_REPLAYED, "real_async_mit"}


@pytest.mark.parametrize("name", CALLS)
async def test_a_recorded_call_is_answered_alike(name: str, opened: Open) -> None:
    client = await opened(STACK)
    await client.call("POST", "/system/namespace/", {"name": "dev"})
    await client.deploy("hello", "hello", namespace="dev")
    compared = 0
    for request, expected in calls(name):
        if expected.get("status") is None or _has_no_queue(name, request):
            continue
        await _compare(client, name, request, expected)
        compared += 1
    assert compared == CALLS[name]


def _has_no_queue(name: str, request: dict[str, Any]) -> bool:
    """That gateway was set up without one, so that its route was not there."""
    return name == "real_gateway_mit" and bool(request["path"].startswith("/async-function/"))


async def _compare(client: Client, name: str, request: dict[str, Any], expected: dict[str, Any]) -> None:
    skipped = ("Host", "Content-Length", "Accept-Encoding")
    headers = {key.replace("-", "_"): value for key, value in request["headers"] if key not in skipped}
    headers.setdefault("Authorization", "")
    if expected["status"] == 404:
        name_of = request["path"].split("/")[2].partition(".")[0]
        await client.call("DELETE", "/system/functions", {"functionName": name_of})
    answer = await client.answer(request["method"], request["target"], _body(request) or None, **headers)
    told = f"{request['method']} {request['target']}"
    assert answer.status == expected["status"], told
    if name == "real_gateway_mit":
        there = {key.lower() for key, _ in expected["headers"]}
        assert [key for key in PLATFORM_HEADERS if (key in answer.headers) != (key in there)] == [], told
    seen = expected["body"].get("json")
    if isinstance(seen, dict):
        ours = json.loads(answer.body)
        alike = ("method", "path", "query", "body", "function", "content_type", "len")
        assert {key: ours[key] for key in alike if key in seen} == {key: seen[key] for key in alike if key in seen}
    elif answer.status == 404:
        assert answer.body.decode() == expected["body"]["text"]


def _body(request: dict[str, Any]) -> bytes:
    body = request["body"]
    return base64.b64decode(body["base64"]) if "base64" in body else str(body.get("text", "")).encode()


async def test_recorded_asynchronous_calls_are_called_back_alike(opened: Open, callback: Callback) -> None:
    """All of them at once: the recording was one after the other, but for the order that changes nothing."""
    client = await opened(STACK)
    wanted: dict[str, list[dict[str, Any]]] = {}
    for step in steps("real_async_mit"):
        sent, expected = _submission(step)
        if expected is None:
            continue
        answer = await _submit(client, sent, callback)
        assert (answer.status, answer.body) == (202, b"")
        given = sent["headers"].get("X-Call-Id")
        assert ("X-Call-Id" in answer.headers) == (given is None)
        wanted[given or answer.headers["X-Call-Id"]] = step.get("callbacks", [])
    among = [told for each in wanted.values() for told in each]
    assert (len(wanted), len(among)) == (12, 8)
    for _ in among:
        path, headers, body = await callback.next()
        _alike(path, headers, body, [*wanted[headers["x-call-id"]], *among])
    for call_id in wanted:
        await client.ended(call_id)
    assert await _counted(client) == _recorded_counts()


def _submission(step: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    if "raw" in step:
        method, path = step["raw"]
        body = step["request_body"] or ""
        if body.endswith(" bytes"):
            body = "z" * int(body.split()[0])
        sent = {"method": method, "path": path, "headers": step["request_headers"], "body": body}
        return sent, step["response"] if step["response"]["status"] == 202 else None
    for exchange in step.get("exchanges", []):
        request = exchange["request"]
        if exchange["at"] == "client->gateway" and request["path"].startswith("/async-function/"):
            headers = {key: value for key, value in request["headers"] if key.startswith("X-")}
            sent = {"method": "POST", "path": request["target"], "headers": headers, "body": request["body"]["text"]}
            return sent, exchange["response"]
    return {}, None


async def _submit(client: Client, sent: dict[str, Any], callback: Callback) -> Any:
    headers = dict(sent["headers"])
    if url := headers.get("X-Callback-Url"):
        query = urlsplit(url).query
        reachable = urlsplit(url).port != 1
        headers["X-Callback-Url"] = f"{callback.url}{'?' if query else ''}{query}" if reachable else url
    given = {key.replace("-", "_"): value for key, value in headers.items()}
    return await client.answer(sent["method"], sent["path"], sent["body"].encode() or None, **given)


def _alike(path: str, headers: dict[str, str], body: bytes, candidates: list[dict[str, Any]]) -> None:
    """The step that sent several has all of their callbacks: one of them it must be."""
    problems = []
    for told in candidates:
        theirs = {key.lower(): value for key, value in told["headers"]}
        same = ("x-function-name", "x-function-status", "x-openfaas-internal")
        ours = (path, [headers.get(key) for key in same], _said(body.decode()))
        if ours == (told["path"], [theirs.get(key) for key in same], _said(told["body"]["text"])):
            assert {"x-call-id", "x-duration-seconds"} <= headers.keys()
            return
        problems.append(told["path"])
    pytest.fail(f"no recorded callback is like {path} {headers} {body!r}: {problems}")


def _said(text: str) -> object:
    if not text.startswith("{"):
        return text
    seen = json.loads(text)
    return {key: seen[key] for key in ("method", "path", "query", "body")}


async def _counted(client: Client) -> set[str]:
    text = (await client.call("GET", "/metrics"))[1].decode()
    return {line for line in text.splitlines() if line.startswith("gateway_function_invocation_")}


def _recorded_counts() -> set[str]:
    [text] = [
        step["gateway_metrics_after_async"]
        for step in steps("real_async_mit")
        if len(step) == 1 and "queue_worker_log" not in step
    ]
    return {line for line in text.splitlines() if line.startswith("gateway_function_invocation_")}


async def test_calls_of_community_edition_are_made_one_after_the_other(opened: Open, callback: Callback) -> None:
    client = await opened(STACK, edition="ce")
    for number in range(3):
        sent = {"X_Callback_Url": callback.url, "X_Call_Id": str(number)}
        await client.call("POST", "/async-function/py/sleep?s=0.1", b"", **sent)
    order = [(await callback.next())[1]["x-call-id"] for _ in range(3)]
    assert order == ["0", "1", "2"]
