"""Calls that are answered before they are made: kept on disk, made, told to a callback, and found by their id."""

import asyncio
import json
from pathlib import Path

import aiohttp

from emulator.app import Emulator, EmulatorSettings
from tests import shared_data
from tests.emulator.conftest import Platform, command, write_stack
from tests.emulator.openfaas.callback import Callback
from tests.emulator.openfaas.conftest import Open
from tests.emulator.openfaas.world import Client


async def test_a_call_is_made_later_and_its_callback_told(opened: Open, callback: Callback) -> None:
    client = await opened({"echo": {}})
    target = "/async-function/echo/sub/path?k=v&k=w"
    answer = await client.answer("POST", target, b"data", X_Callback_Url=f"{callback.url}?x=1", X_Foo="bar")
    assert (answer.status, answer.body) == (202, b"")
    path, headers, body = await callback.next()
    seen = json.loads(body)
    assert path == "/cb?x=1"
    assert (seen["path"], seen["query"], seen["body"], seen["method"]) == ("/sub/path", "k=v&k=w", "data", "POST")
    assert dict(seen["headers"])["x-foo"] == "bar"
    assert dict(seen["headers"])["x-call-id"] == answer.headers["X-Call-Id"]
    assert headers["x-call-id"] == answer.headers["X-Call-Id"]
    assert (headers["x-function-name"], headers["x-function-status"]) == ("echo", "200")
    assert float(headers["x-duration-seconds"]) > 0
    assert "x-start-time" in headers


async def test_the_caller_s_own_id_is_kept_and_not_repeated(opened: Open, callback: Callback) -> None:
    client = await opened({"echo": {}})
    sent = {"X_Call_Id": "my-id", "X_Callback_Url": callback.url}
    answer = await client.answer("POST", "/async-function/echo.openfaas-fn/status/418", b"", **sent)
    assert "X-Call-Id" not in answer.headers
    _, headers, body = await callback.next()
    assert (headers["x-call-id"], headers["x-function-status"], body) == ("my-id", "418", b"as asked")
    assert headers["x-function-name"] == "echo.openfaas-fn"
    told = await client.ended("my-id")
    assert (told["status"], told["callback"]) == (418, {"url": callback.url, "outcome": "204"})


async def test_an_unknown_function_is_found_out_when_it_is_called(opened: Open, callback: Callback) -> None:
    client = await opened()
    assert (await client.call("POST", "/async-function/nosuch", b"x", X_Callback_Url=callback.url))[0] == 202
    _, headers, body = await callback.next()
    assert headers["x-function-status"] == "404"
    assert body.startswith(b"error finding function nosuch.openfaas-fn")


async def test_status_and_result_by_call_id(opened: Open) -> None:
    client = await opened()
    await client.deploy("catty", envProcess="cat")
    answer = await client.answer("POST", "/async-function/catty", b"kept", Content_Type="text/plain")
    told = await client.ended(answer.headers["X-Call-Id"])
    assert (told["function"], told["status"], told["attempts"]) == ("catty", 200, 1)
    assert (told["result"]["body"], told["result"]["headers"]["content-type"]) == ("kept", "text/plain")
    assert told["submittedAt"] <= told["startedAt"] <= told["endedAt"]
    assert (await client.call("GET", "/system/async/nobody"))[0] == 404
    assert (await client.answer("GET", "/system/async/nobody", Authorization="")).status == 401
    long = await client.answer("POST", "/async-function/catty", b"z" * 2_000_000)
    assert len((await client.ended(long.headers["X-Call-Id"]))["result"]["body"]) == 2_000_000
    binary = await client.answer("POST", "/async-function/catty", b"\xff\xfe")
    assert (await client.ended(binary.headers["X-Call-Id"]))["result"]["bodyBase64"] == "//4="


async def test_calls_run_beside_each_other(opened: Open, callback: Callback) -> None:
    client = await opened({"echo": {"labels": {"com.openfaas.scale.max": "1"}}})
    for _ in range(5):
        await client.call("POST", "/async-function/echo/slow/0.3", b"", X_Callback_Url=callback.url)
    most = [int((await callback.next())[2]) for _ in range(5)]
    assert max(most) == 5


async def test_refusals_are_those_recorded(opened: Open) -> None:
    steps = json.loads(shared_data.path("golden/openfaas/real_async_mit.json").read_text())["steps"]
    client = await opened()
    compared = 0
    for step in steps:
        if "raw" not in step or step["response"]["status"] == 202:
            continue
        method, path = step["raw"]
        sent = {name.replace("-", "_"): value for name, value in step["request_headers"].items()}
        answer = await client.answer(method, path, (step["request_body"] or "").encode() or None, **sent)
        expected = step["response"]
        assert (answer.status, answer.body.decode()) == (expected["status"], expected["body"]["text"])
        assert all(name in answer.headers for name, _ in expected["headers"] if name not in ("Server", "Date"))
        compared += 1
    assert compared == 4
    for url in ("ftp://x/", "relative", "http://", "http://[x"):
        assert (await client.call("POST", "/async-function/x", b"", X_Callback_Url=url))[0] == 400


async def test_what_was_not_finished_is_finished_after_a_restart(tmp_path: Path, callback: Callback) -> None:
    stack = write_stack(tmp_path, {"echo": {"fprocess": command()}})
    settings = EmulatorSettings(stack_file=stack, data_dir=tmp_path / "data", port=0, grace_s=0.2, drain_s=0.2)
    async with Emulator(settings) as emulator, aiohttp.ClientSession() as session:
        client = Client(Platform(emulator, session), tmp_path / "data")
        sent = {"X_Callback_Url": callback.url, "X_Call_Id": "slow"}
        assert (await client.call("POST", "/async-function/echo/slow/1", b"", **sent))[0] == 202
        while (await client.json("/system/async/slow"))["state"] != "running":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert callback.came.empty()
    async with Emulator(settings) as emulator, aiohttp.ClientSession() as session:
        client = Client(Platform(emulator, session), tmp_path / "data")
        assert (await callback.next())[1]["x-function-status"] == "200"
        assert (await client.ended("slow"))["attempts"] == 2
