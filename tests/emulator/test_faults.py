"""Functions that misbehave in every way that functions do, and an emulator that is killed in the middle."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from emulator.activator import MAX_QUEUED
from emulator.app import Emulator, EmulatorSettings
from emulator.eventing import Eventing, read
from tests.emulator.conftest import Start, command, eventually, write_stack
from tests.emulator.test_emulator import EVENT, TRIGGERS, separate_emulator

# Says nothing until there is a file, then serves on its port.
WAITING = """
import os, sys, time
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
sys.argv = sys.argv[2:]
exec(compile(open(sys.argv[0]).read(), sys.argv[0], "exec"))
"""


def classes(folder: Path, **fields: Any) -> Path:
    file = folder / "classes.yml"
    file.write_text(yaml.safe_dump({"classes": {"own": fields}}))
    return file


IN_CLASS = {"dev.sluice.class": "own"}


async def test_a_function_that_never_becomes_ready_says_so_and_is_tried_again(start: Start) -> None:
    platform = await start({"deaf": {"fprocess": "sleep 600"}}, start_timeout_s=0.3)
    call = asyncio.create_task(platform.get("/function/deaf"))
    await eventually(lambda: platform.function("deaf")["failures"] >= 2)
    assert platform.function("deaf")["reason"] == "not ready after 0.3 s"
    call.cancel()


async def test_who_waits_in_vain_is_told_why(start: Start, tmp_path: Path) -> None:
    broken = {"fprocess": """python -c "print('no such table'); raise SystemExit(4)" """, "labels": IN_CLASS}
    platform = await start({"broken": broken}, classes_file=classes(tmp_path, timeout_s=1))
    status, text = await platform.get("/function/broken")
    assert status == 504
    assert "exit status 4: no such table" in text


async def test_an_answer_without_end_is_cut_when_the_time_is_over(start: Start, tmp_path: Path) -> None:
    platform = await start({"echo": {"labels": IN_CLASS}}, classes_file=classes(tmp_path, timeout_s=1, min_scale=1))
    assert await platform.emulator.until_ready(20)
    with pytest.raises(aiohttp.ClientPayloadError):
        await platform.get("/function/echo/forever")
    await eventually(lambda: platform.function("echo")["in_flight"] == 0)
    assert (await platform.get("/function/echo"))[0] == 200


async def test_who_fills_his_log_fills_no_disk_and_holds_up_nobody(start: Start, tmp_path: Path) -> None:
    flood = "python -c \"while True: print('x' * 1000)\""
    platform = await start({"flood": {"fprocess": flood}, "echo": {}})
    call = asyncio.create_task(platform.get("/function/flood"))
    logs = tmp_path / "data" / "logs"
    await eventually(lambda: (logs / "flood.log.1").exists(), timeout_s=30)
    assert (await platform.get("/function/echo"))[0] == 200
    assert sum(file.stat().st_size for file in logs.glob("flood.log*")) < 2 * 9_000_000
    call.cancel()


async def test_a_worker_at_zero_is_not_started_by_a_call(start: Start) -> None:
    platform = await start({"worker": {"annotations": {"dev.sluice/queue": "q"}}})
    status, text = await platform.get("/function/worker/metrics")
    assert (status, text) == (503, "worker: at zero, and only work in its queue q starts it\n")


async def test_ten_thousand_calls_are_held_while_a_function_starts_and_no_more(start: Start, tmp_path: Path) -> None:
    go = tmp_path / "go"
    body = {"fprocess": waiting(go), "labels": {**IN_CLASS, "com.openfaas.scale.max": "1"}}
    platform = await start({"echo": body}, classes_file=classes(tmp_path, concurrency=50, timeout_s=100))
    revision = platform.emulator.fleet.revisions["echo"]
    served = 0

    async def call() -> None:
        nonlocal served
        activator, replica = await revision.admit()
        assert replica.in_flight <= 50
        await asyncio.sleep(0)
        served += 1
        activator.release(replica)

    calls = [asyncio.create_task(call()) for _ in range(MAX_QUEUED)]
    await eventually(lambda: revision.activator.queued == MAX_QUEUED)
    assert await platform.get("/function/echo") == (503, "pending request queue full\n")
    go.touch()
    await asyncio.gather(*calls)
    assert (served, platform.function("echo")["starts"]) == (MAX_QUEUED, 1)
    assert (await platform.get("/function/echo"))[0] == 200


def eventing() -> Eventing:
    return read(yaml.safe_load_all(TRIGGERS))


def waiting(go: Path) -> str:
    return f"python -c '{WAITING}' {go} {command().removeprefix('python ')}"


async def test_events_and_calls_outlive_the_emulator_that_took_them(tmp_path: Path) -> None:
    """Killed while both wait for a function to start; the next one on the same data brings them there."""
    go = tmp_path / "go"
    stack = write_stack(tmp_path, {"echo": {"fprocess": waiting(go)}})
    (tmp_path / "triggers.yaml").write_text(TRIGGERS)
    emulator, port = await asyncio.to_thread(separate_emulator, stack, tmp_path / "data", tmp_path / "triggers.yaml")
    base = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{base}/broker/ns/default", headers=EVENT) as response:
            assert response.status == 202
        async with session.post(f"{base}/async-function/echo/say/called", data=b"x") as response:
            assert response.status == 202
    emulator.send_signal(signal.SIGKILL)
    emulator.wait()
    go.touch()
    settings = EmulatorSettings(stack_file=stack, data_dir=tmp_path / "data", port=0, drain_s=1, grace_s=1)
    async with Emulator(settings, eventing()) as again:
        log = again.launcher.log_of("echo")
        await eventually(lambda: {"heard", "called"} <= {line.text for line in log.tail()}, timeout_s=20)
        await eventually(lambda: again.brokers.idle())
