"""The images that run without an image: what the real watchdog answered, ours answers."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests import shared_data
from tests.emulator.conftest import eventually
from tests.emulator.openfaas.conftest import Open

VARYING = {"date", "content-length", "x-duration-seconds"}


def recorded(name: str) -> dict[str, Any]:
    steps = json.loads(shared_data.path("golden/openfaas/watchdog.json").read_text())["steps"]
    return next(step for step in steps if step["name"] == name)


@pytest.mark.parametrize("name", ["classic cat", "classic false", "classic timeout"])
async def test_the_watchdog_answers_as_recorded(name: str, opened: Open) -> None:
    step, client = recorded(name), await opened()
    await client.deploy("fn", envProcess=step["env"]["fprocess"], envVars=step["env"])
    for exchange in step["requests"]:
        (method, path, headers, body), expected = exchange["request"], exchange["response"]
        given = {key.replace("-", "_"): value for key, value in headers.items()}
        answer = await client.answer(method, f"/function/fn{path}", body.encode() if body else None, **given)
        assert (answer.status, answer.body.decode()) == (expected["status"], expected["body"].get("text", ""))
        for header, value in expected["headers"]:
            assert header.lower() in VARYING or answer.headers[header] == value


def build(project: Path, mode: str, process: str, extra: str = "") -> None:
    folder = project / "build" / "fn"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(f'FROM scratch\nENV mode="{mode}" {extra}\nENV fprocess="{process}"\n')


@pytest.mark.parametrize("name", ["streaming cat", "streaming false", "serializing", "serializing false"])
async def test_the_later_watchdog_answers_as_recorded(name: str, opened: Open, tmp_path: Path) -> None:
    step, client = recorded(name), await opened()
    env = step["env"]
    build(
        tmp_path, env["mode"], env["fprocess"], f"content_type={env['content_type']}" if "content_type" in env else ""
    )
    await client.deploy("fn", "x")
    [exchange] = step["requests"]
    (method, path, headers, body), expected = exchange["request"], exchange["response"]
    given = {key.replace("-", "_"): value for key, value in headers.items()}
    answer = await client.answer(method, f"/function/fn{path}", body.encode(), **given)
    assert (answer.status, answer.body.decode()) == (expected["status"], expected["body"]["text"])
    there = dict(expected["headers"])
    assert answer.headers["Content-Type"] == there["Content-Type"]
    said = [re.sub(r"^[\d/]+ [\d:]+ ", "", line) for line in step["log"]]
    log = client.platform.emulator.launcher.log_of("fn")
    if "exit status 1" in said:
        await eventually(lambda: any("exit status 1" in line.text for line in log.tail()))


async def test_a_stream_is_told_less_in_the_environment(opened: Open, tmp_path: Path) -> None:
    client = await opened()
    build(tmp_path, "streaming", "env")
    await client.deploy("fn", "x")
    answer = await client.answer("PUT", "/function/fn/p/q?z=1", b"b", X_My_Head="v")
    told = {line for line in answer.body.decode().splitlines() if line.startswith("Http_")}
    recorded_lines = recorded("streaming env")["requests"][0]["response"]["body"]["text"].splitlines()
    assert {line for line in recorded_lines if line.startswith("Http_") and "Encoding" not in line} <= told
    assert not any(line.startswith(("Http_ContentLength", "Http_Host")) for line in told)


async def test_a_stream_flows_both_ways_at_once(opened: Open, tmp_path: Path) -> None:
    client = await opened()
    build(tmp_path, "streaming", "cat")
    await client.deploy("fn", "x")
    more = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await more.wait()
        yield b"second"

    url = client.platform.url("/function/fn")
    async with client.platform.session.post(url, data=body()) as response:
        assert await response.content.readexactly(5) == b"first"
        more.set()
        assert await response.content.read() == b"second"


async def test_a_request_is_told_in_the_environment(opened: Open) -> None:
    client = await opened()
    await client.deploy("fn", envProcess="env", envVars={"custom": "yes"})
    _, body = await client.call("DELETE", "/function/fn/x?y=2", X_A="b")
    lines = set(body.decode().splitlines())
    assert lines >= {"Http_X_A=b", "Http_Method=DELETE", "Http_ContentLength=0", "Http_Content_Length=0"}
    assert lines >= {"Http_Query=y=2", "Http_Path=/x", "custom=yes", "fprocess=env", "OPENFAAS_NAME=fn"}


async def test_its_log_says_what_it_did(opened: Open) -> None:
    client = await opened()
    await client.deploy("fn", envProcess="cat")
    assert await client.call("POST", "/function/fn", b"hello") == (200, b"hello")
    log = client.platform.emulator.launcher.log_of("fn")
    await eventually(lambda: any("Wrote" in line.text for line in log.tail()))
    said = [re.sub(r"^[\d/]+ [\d:]+ ", "", line.text) for line in log.tail()]
    assert said[1] == "Forking fprocess."
    assert re.fullmatch(r"Wrote 5 Bytes - Duration: 0\.\d{6}s", said[2])


async def test_more_requests_than_allowed_at_once_are_refused(opened: Open) -> None:
    client = await opened()
    await client.deploy("fn", envProcess="sleep 0.4", envVars={"max_inflight": "1"})
    await client.call("GET", "/function/fn/_/health")
    answers = await asyncio.gather(*(client.answer("POST", "/function/fn", b"x") for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 429, 429]
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.body == b"Concurrent request limit exceeded. Max concurrent requests: 1\n"
    assert refused.headers["X-OpenFaaS-Internal"] == "faas-middleware"


async def test_the_redirector_sends_elsewhere(opened: Open) -> None:
    client = await opened()
    await client.deploy("go", "docker.io/theaxer/redirector:latest", envVars={"destination": "http://there.example/"})
    answer = await client.answer("GET", "/function/go")
    assert (answer.status, answer.headers["Location"]) == (302, "http://there.example/")


async def test_a_stack_file_may_name_a_built_in_image(opened: Open) -> None:
    client = await opened({"catty": {"image": "functions/alpine:latest", "fprocess": "cat"}})
    assert await client.call("POST", "/function/catty", b"meow") == (200, b"meow")
