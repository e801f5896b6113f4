"""What passes through a running emulator is kept, and what may not be is not."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from emulator.recording.recorder import Recorder
from shared.errors import Conflict, InvalidInput
from tests.emulator.conftest import Platform, Start, eventually
from tests.emulator.test_trouble_on_purpose import EVENTS, send_event


def lines(folder: Path, name: str = "run") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "data" / "recordings" / f"{name}.jsonl").read_text().splitlines()]


def recorder(platform: Platform) -> Recorder:
    return platform.emulator.development.recorder


async def test_a_call_is_kept_with_its_answer(start: Start, tmp_path: Path) -> None:
    platform = await start({"echo": {}})
    await platform.get("/function/echo")
    recorder(platform).start("run")
    async with platform.session.post(
        platform.url("/function/echo/a%20b?x=1"), data=b"hello", headers={"X-Own": "kept"}
    ) as response:
        told = await response.read()
    assert recorder(platform).stop()["count"] == 1
    await platform.get("/function/echo/after")
    (one,) = lines(tmp_path)
    assert (one["n"], one["kind"], one["function"]) == (1, "call", "echo")
    request, answer = one["request"], one["response"]
    assert (request["method"], request["target"], request["body"]["text"]) == ("POST", "/a%20b?x=1", "hello")
    assert ["x-own", "kept"] in request["headers"]
    assert (answer["status"], answer["body"]["text"]) == (200, told.decode())


async def test_an_event_is_kept_and_other_functions_are_not(start: Start, tmp_path: Path) -> None:
    platform = await start({"echo": {}, "other": {}}, eventing=EVENTS)
    recorder(platform).start("run", ["echo"])
    await platform.get("/function/other")
    await send_event(platform, "event-1")
    await eventually(lambda: recorder(platform).status()["count"] == 1)
    (one,) = lines(tmp_path)
    assert (one["kind"], one["function"], one["response"]["status"]) == ("event", "echo", 204)
    assert ["ce-id", "event-1"] in one["request"]["headers"]


async def test_no_secret_of_the_platform_or_of_a_caller_is_written_anywhere(start: Start, tmp_path: Path) -> None:
    secrets = tmp_path / "data" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "wanted").write_text("of-the-function\n")
    (tmp_path / "data" / "api-key").write_text("slk_of-the-platform\n")
    platform = await start({"echo": {"secrets": ["wanted"]}})
    recorder(platform).start("run")
    headers = {"Authorization": "Bearer of-a-caller", "X-API-Key": "slk_of-a-caller", "Cookie": "session=biscuit"}
    body = {"note": "slk_of-the-platform", "password": "in-a-body"}
    url = platform.url("/function/echo/slk_of-a-caller?api_key=in-the-query")
    async with platform.session.post(url, json=body, headers=headers) as response:
        assert "slk_of-a-caller" in await response.text(), "the function sees and says everything"
    await platform.get("/function/echo/env")
    (secrets / "later").write_text("written-later")
    await platform.get("/function/echo/written-later")
    written = b"".join(file.read_bytes() for file in (tmp_path / "data" / "recordings").iterdir())
    said = (
        "of-a-caller",
        "biscuit",
        "of-the-platform",
        "in-a-body",
        "in-the-query",
        "of-the-function",
        "written-later",
    )
    assert [secret for secret in said if secret.encode() in written] == []
    file = tmp_path / "data" / "recordings" / "run.jsonl"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_its_size_is_bounded_and_so_is_each_body(start: Start, tmp_path: Path) -> None:
    platform = await start({"echo": {}})
    recorder(platform).start("run", max_mb=1)
    async with platform.session.post(platform.url("/function/echo/stream"), data=b"x" * 300_000) as response:
        assert len(await response.read()) == 300_000
    assert lines(tmp_path)[0]["request"]["body"] == {"text": "", "bytes": 300_000, "cut": True}
    for _ in range(6):
        async with platform.session.post(platform.url("/function/echo/stream"), data=b"y" * 200_000) as response:
            await response.read()
    state = recorder(platform).stop()
    assert (state["count"], state["left_out"]) == (3, 4)
    assert (tmp_path / "data" / "recordings" / "run.jsonl").stat().st_size <= 1024 * 1024


async def test_a_caller_who_leaves_is_kept_without_an_answer(start: Start, tmp_path: Path) -> None:
    platform = await start({"echo": {}})
    await platform.get("/function/echo")
    recorder(platform).start("run")
    call = asyncio.create_task(platform.get("/function/echo/slow/5"))
    await eventually(lambda: platform.function("echo")["in_flight"])
    call.cancel()
    await eventually(lambda: recorder(platform).status()["count"] == 1)
    assert lines(tmp_path)[0]["response"] is None


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "recordings", tuple)
    for name, field in (("../up", "name"), ("A", "name"), ("x" * 65, "name")):
        with pytest.raises(InvalidInput) as refused:
            recorder.start(name)
        assert refused.value.field == field
    with pytest.raises(InvalidInput) as refused:
        recorder.start("a", max_mb=0)
    assert refused.value.field == "max_mb"
    recorder.start("a")
    with pytest.raises(Conflict):
        recorder.start("b")
    recorder.stop()
    with pytest.raises(Conflict):
        recorder.start("a")
    assert recorder.stop() == {"recording": False}
