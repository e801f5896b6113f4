"""Calls through the emulator's port to real processes."""

import asyncio
import io
import json
import os
import signal
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.emulator.conftest import Start, eventually


async def test_a_function_starts_with_its_first_request(start: Start) -> None:
    platform = await start({"echo": {}})
    assert platform.function("echo")["replicas"] == []
    async with platform.session.post(platform.url("/function/echo/a%20b/c?x=1&y=%2F"), data=b"hello") as response:
        seen = await response.json(content_type=None)
    assert response.status == 200
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("POST", "/a%20b/c", "x=1&y=%2F", "hello")
    cold = platform.function("echo")["cold_starts"][0]
    assert 0 < cold["spawn_ms"] < cold["ready_ms"] < cold["first_byte_ms"]


async def test_the_platform_adds_its_headers_and_takes_those_of_the_connection(start: Start) -> None:
    platform = await start({"echo": {}})
    sent = {"X-Own": "kept", "TE": "trailers", "Connection": "x-secret", "X-Secret": "of this connection"}
    async with platform.session.post(platform.url("/function/echo"), headers=sent) as response:
        seen = dict((await response.json(content_type=None))["headers"])
    assert seen["x-own"] == "kept"
    assert not {"te", "x-secret"} & set(seen)
    assert seen["x-call-id"] == response.headers["X-Call-Id"]
    assert seen["x-start-time"] == response.headers["X-Start-Time"]
    assert seen["x-forwarded-host"] == platform.base.removeprefix("http://")
    assert seen["x-forwarded-for"].startswith("127.0.0.1:")
    assert float(response.headers["X-Duration-Seconds"]) > 0

    async with platform.session.get(platform.url("/function/echo"), headers={"X-Call-Id": "mine"}) as response:
        seen = dict((await response.json(content_type=None))["headers"])
    assert seen["x-call-id"] == "mine"
    assert "X-Call-Id" not in response.headers


async def test_answers_come_back_as_they_are(start: Start) -> None:
    platform = await start({"echo": {}})
    async with platform.session.get(platform.url("/function/echo/status/302"), allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/elsewhere")
    assert (await platform.get("/function/echo/status/418"))[0] == 418
    async with platform.session.head(platform.url("/function/echo")) as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_who_is_not_there(start: Start) -> None:
    platform = await start({"echo": {}})
    assert (await platform.get("/function/nobody"))[0] == 404
    assert (await platform.get("/function/echo.elsewhere"))[0] == 404
    assert (await platform.get("/function/echo.openfaas-fn/status/200"))[0] == 200
    assert (await platform.get("/nothing"))[0] == 404
    async with platform.session.request("TRACE", platform.url("/function/echo")) as response:
        assert response.status == 405


async def test_bodies_stream_both_ways(start: Start) -> None:
    platform = await start({"echo": {}})
    echoed = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await echoed.wait()
        yield b"second"

    async with platform.session.post(platform.url("/function/echo/stream"), data=pieces()) as response:
        assert await response.content.readany() == b"first"
        echoed.set()
        assert await response.content.read() == b"second"


async def test_a_large_body_arrives_whole(start: Start) -> None:
    platform = await start({"echo": {}})
    async with platform.session.post(platform.url("/function/echo"), data=io.BytesIO(b"x" * 5_000_000)) as response:
        assert (await response.json(content_type=None))["size"] == 5_000_000


async def test_a_function_may_refuse_a_body_without_reading_it(start: Start) -> None:
    platform = await start({"echo": {}})
    for _ in range(10):
        body = io.BytesIO(b"x" * 30_000_000)
        async with platform.session.post(platform.url("/function/echo/refuse"), data=body) as response:
            assert (response.status, await response.text()) == (413, "too much")


async def test_a_replica_that_dies_answers_502_and_is_replaced(start: Start) -> None:
    platform = await start({"echo": {}})
    status, body = await platform.get("/function/echo")
    pid = json.loads(body)["pid"]
    slow = asyncio.create_task(platform.get("/function/echo/slow/30"))
    await eventually(lambda: platform.function("echo")["in_flight"] == 1)
    os.kill(pid, signal.SIGKILL)
    assert (await slow)[0] == 502
    await eventually(lambda: "SIGKILL" in platform.function("echo")["reason"])
    assert 0 <= platform.function("echo")["reason_age_s"] < 60
    status, body = await platform.get("/function/echo")
    assert status == 200
    assert json.loads(body)["pid"] != pid


async def test_an_answer_that_breaks_off_is_cut_for_the_caller_too(start: Start) -> None:
    platform = await start({"echo": {}})
    with pytest.raises(aiohttp.ClientPayloadError):
        await platform.get("/function/echo/half")


async def test_the_function_hears_when_a_caller_goes_away(start: Start) -> None:
    platform = await start({"echo": {}})
    async with platform.session.get(platform.url("/function/echo/forever")) as response:
        await response.content.readany()
    log = platform.emulator.launcher.log_of("echo")
    await eventually(lambda: any("went away" in line.text for line in log.tail()))
    await eventually(lambda: platform.function("echo")["in_flight"] == 0)


async def test_prefixes_lead_to_their_function(start: Start) -> None:
    routes = {"dev.sluice/routes": "/api, /events"}
    platform = await start(
        {"gateway": {"annotations": routes}, "jobs": {"annotations": {"dev.sluice/routes": "/api/jobs"}}}
    )
    for path, function in (("/api/x", "gateway"), ("/events", "gateway"), ("/api/jobs/1", "jobs")):
        before = platform.function(function)["invocations"]
        status, body = await platform.get(path)
        assert (status, json.loads(body)["path"]) == (200, path)
        assert platform.function(function)["invocations"] == before + 1
    assert (await platform.get("/apis"))[0] == 404


async def test_answers_do_not_wait_for_acknowledgements(start: Start) -> None:
    """The emulator's answers go out in two writes; with Nagle's algorithm each call would take 40 ms."""
    platform = await start({"echo": {}})
    await platform.get("/function/echo/status/200")
    began = time.monotonic()
    for _ in range(50):
        await platform.get("/function/echo/status/200")
    assert time.monotonic() - began < 50 * 0.04
