"""The recorded faas-cli: its requests go to the emulator, whose answers are held against those it got."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import shared_data
from tests.emulator.conftest import Start
from tests.emulator.openfaas.world import Client, build_folder

TRANSCRIPTS = {
    "cron_connector": 4,
    "deploy": 45,
    "diff_clean": 4,
    "invoke_logged_in": 3,
    "list_describe_remove": 14,
    "login": 5,
    "local_run_up": 3,
    "logs": 8,
    "namespace_ready": 15,
    "real_gateway_mit": 25,
    "secret": 24,
    "store_template_misc": 3,
    "version": 2,
}
STATUS_KEYS = {"name", "image", "namespace", "labels", "annotations", "createdAt"}
# What the recording server was made to do at that moment, or was set up for: not for us to repeat.
ELSEWHERE = ("/elsewhere", "/simple.yml", "/function/", "/async-function/", "/ui/")


def exchanges(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Between client and gateway, of a server that was left alone."""
    transcript = json.loads(shared_data.path(f"golden/openfaas/{name}.json").read_text())
    runs = [{"exchanges": run["distinct_exchanges"]} for run in transcript.get("runs", {}).values()]
    for step in transcript.get("steps", runs):
        for exchange in step.get("exchanges", []):
            if exchange.get("override") or exchange.get("at", "client->gateway") != "client->gateway":
                continue
            request, response = exchange["request"], exchange["response"]
            followed = "follow=true" in request["target"]
            if response.get("status") and not followed and not request["target"].startswith(ELSEWHERE):
                yield request, response


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_a_transcript_gets_the_recorded_answers(name: str, start: Start, tmp_path: Path) -> None:
    recorded = list(exchanges(name))
    for request, _ in recorded:
        if service := _body(request).get("service", ""):
            build_folder(tmp_path, service.lower().replace("_", "-"))
    build_folder(tmp_path, "hello")
    client = Client(await start({}, start_timeout_s=1.0), tmp_path / "data")
    seen: Counter[int] = Counter()
    for request, expected in recorded:
        await _arrange(client, request, expected)
        await _replay(client, request, expected)
        seen[expected["status"]] += 1
    assert seen.total() >= TRANSCRIPTS[name], seen


async def _replay(client: Client, request: dict[str, Any], expected: dict[str, Any]) -> None:
    sent = dict(request["headers"])
    given = sent.get("Authorization", "Basic")
    allowed = expected["status"] != 401
    headers = {"User_Agent": sent.get("User-Agent", "x"), "Authorization": client.authorization if allowed else given}
    body = request.get("body", {}).get("text", "").encode() or None
    response = await client.answer(request["method"], request["target"], body, **headers)
    answer = response.body
    told = f"{request['method']} {request['target']}: {answer!r}"
    assert _family(response.status) == _family(expected["status"]), told
    if response.status == 401:
        assert response.headers["WWW-Authenticate"] == 'Basic realm="Restricted"'
    elif response.status >= 400:
        assert _sentence(answer.decode()) == _sentence(expected["body"]["text"]), told
    else:
        _same_shape(request["target"], answer, expected["body"]["text"])


def _family(status: int) -> int:
    """faasd says 200 where Kubernetes says 202; the CLI takes both."""
    return 202 if status == 200 else status


def _sentence(text: str) -> str:
    """A sentence that names what the recording server had and we need not have."""
    return "namespace must be" if text.startswith("namespace must be") else text.replace("\n", "")


def _same_shape(target: str, answer: bytes, expected: str) -> None:
    if not expected.startswith(("[", "{")):
        return
    if "/system/logs" in target:
        lines = [json.loads(line) for line in answer.splitlines()]
        assert all(set(line) == {"name", "namespace", "instance", "timestamp", "text"} for line in lines)
        return
    ours, theirs = json.loads(answer), json.loads(expected)
    assert type(ours) is type(theirs)
    if target.startswith("/system/function"):
        for each in ours if isinstance(ours, list) else [ours]:
            assert set(each) >= STATUS_KEYS
    elif isinstance(theirs, dict):
        assert set(ours) >= set(theirs), ours


async def _arrange(client: Client, request: dict[str, Any], expected: dict[str, Any]) -> None:
    """What the recording server had at that moment, which only its answer tells."""
    path = request["path"]
    if path == "/system/functions" and request["method"] != "GET":
        await _arrange_function(client, request["method"], _body(request), expected)
    elif path.startswith(("/system/function/", "/system/logs", "/system/scale-function/")):
        await _arrange_one(client, request, expected["status"])
    elif path == "/system/secrets" and request["method"] != "GET":
        await _arrange_secret(client, request["method"], _body(request), expected["status"])
    elif path.startswith("/system/namespace/"):
        name = path.removeprefix("/system/namespace/") or _body(request)["name"]
        there = expected["status"] in (200, 202, 409)
        await client.call(*(("POST", "/system/namespace/") if there else ("DELETE", f"/system/namespace/{name}")), {
            "name": name, "labels": {"openfaas": "1"}, "annotations": {"openfaas": "1"},
        })  # fmt: skip


async def _arrange_function(client: Client, method: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    text = expected["body"].get("text", "")
    name = body.get("service") or body.get("functionName")
    namespace = body.get("namespace", "openfaas-fn")
    if "namespace must be" in text:
        await client.call("DELETE", f"/system/namespace/{namespace}")
        return
    await client.call("POST", "/system/namespace/", {"name": namespace})
    for secret in body.get("secrets", []):
        await client.call(
            "DELETE" if "fetch secrets" in text else "POST",
            "/system/secrets",
            {"name": secret, "namespace": namespace, "value": "x"},
        )
    there = expected["status"] == 500 or (method != "POST" and expected["status"] in (200, 202))
    if there and name:
        await client.call("POST", "/system/functions", {"service": name, "image": "x", "namespace": namespace})
        if method == "DELETE":
            build_folder(client.project, name)
            await client.call("POST", "/system/functions", {"service": name, "image": "x", "namespace": namespace})
    else:
        await client.call("DELETE", "/system/functions", {"functionName": name, "namespace": namespace})


async def _arrange_one(client: Client, request: dict[str, Any], status: int) -> None:
    name = request["query"].get("name", [request["path"].rsplit("/", 1)[-1]])
    name = name[0] if isinstance(name, list) else name
    namespace = request["query"].get("namespace", ["openfaas-fn"])
    namespace = namespace[0] if isinstance(namespace, list) else namespace
    body = {"service": name, "image": "x", "namespace": namespace, "functionName": name}
    await client.call("POST", "/system/namespace/", {"name": namespace})
    if status != 404:
        build_folder(client.project, name)
    await client.call("DELETE" if status == 404 else "POST", "/system/functions", body)


async def _arrange_secret(client: Client, method: str, body: dict[str, Any], status: int) -> None:
    there = status == 409 or (method != "POST" and status != 404)
    await client.call("POST" if there else "DELETE", "/system/secrets", {**body, "value": "before"})


def _body(request: dict[str, Any]) -> dict[str, Any]:
    found = request.get("body", {}).get("json")
    return found if isinstance(found, dict) else {}
