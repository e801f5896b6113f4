"""The whole emulator: who may start it, what it joins together, and what is left when it is killed."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import yaml
from redis.asyncio import Redis

from emulator.app import Emulator, EmulatorSettings
from emulator.broker.ports import Errand, FunctionDestination, Unreachable, UriDestination
from emulator.eventing import Eventing, read
from emulator.fleet import Fleet
from emulator.redis_server import RedisServer
from emulator.sender import FunctionSender
from shared.errors import Conflict
from tests.emulator.conftest import Start, command, eventually, write_stack

TRIGGERS = """
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default, namespace: ns}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: to-echo, namespace: ns}
spec:
  broker: default
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: echo}, uri: /say/heard}
"""
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "t"}


def eventing() -> Eventing:
    return read(yaml.safe_load_all(TRIGGERS))


async def test_a_taken_port_is_named(start: Start, tmp_path: Path) -> None:
    platform = await start({"echo": {}})
    port = platform.emulator.settings.port
    stack = write_stack(tmp_path, {})
    with pytest.raises(Conflict, match=f"port {port} is in use"):
        async with Emulator(EmulatorSettings(stack_file=stack, data_dir=tmp_path / "other", port=port)):
            pass


async def test_a_data_directory_has_one_emulator(start: Start, tmp_path: Path) -> None:
    await start({"echo": {}})
    stack = write_stack(tmp_path, {})
    with pytest.raises(Conflict, match="running already"):
        async with Emulator(EmulatorSettings(stack_file=stack, data_dir=tmp_path / "data", port=0)):
            pass


async def test_an_event_travels_through_the_broker_to_a_function_at_zero(start: Start) -> None:
    platform = await start({"echo": {}}, eventing=eventing())
    async with platform.session.post(platform.url("/broker/ns/default"), headers=EVENT) as response:
        assert response.status == 202
    log = platform.emulator.launcher.log_of("echo")
    await eventually(lambda: any(line.text == "heard" for line in log.tail()))
    counts = platform.emulator.status()["broker"]
    await eventually(lambda: platform.emulator.status()["broker"]["trigger ns/to-echo"]["delivered"] == 1)
    assert set(counts) == {"broker ns/default", "trigger ns/to-echo"}
    async with platform.session.post(platform.url("/broker/ns/none"), headers=EVENT) as response:
        assert response.status == 404


async def test_the_sender_answers_for_functions(start: Start) -> None:
    platform = await start({"echo": {}})
    sender = FunctionSender(platform.emulator.fleet, platform.session)
    answer = await sender.send(Errand(FunctionDestination("any", "echo", "/x"), [("ce-id", "1")], b"data"))
    seen = json.loads(answer.body)
    assert (answer.status, seen["path"], seen["body"], seen["method"]) == (200, "/x", "data", "POST")
    assert ["ce-id", "1"] in seen["headers"]
    assert (await sender.send(Errand(FunctionDestination("any", "nobody")))).status == 404
    assert (await sender.send(Errand(UriDestination(f"{platform.base}/healthz"), method="GET"))).status == 200
    with pytest.raises(Unreachable):
        await sender.send(Errand(UriDestination("http://127.0.0.1:9/")))
    with pytest.raises(Unreachable):
        await sender.send(Errand(FunctionDestination("any", "echo", "/die")))


async def test_a_crowd_at_the_door_of_a_starting_function(start: Start) -> None:
    platform = await start({"echo": {"labels": {"dev.sluice.concurrency": "50", "com.openfaas.scale.max": "1"}}})
    answers = await asyncio.gather(*(platform.get("/function/echo/slow/0") for _ in range(1500)))
    assert [status for status, _ in answers if status != 200] == []
    assert max(int(most) for _, most in answers) <= 50
    assert platform.function("echo")["starts"] == 1


async def test_a_thousand_functions_at_zero_cost_nothing(start: Start) -> None:
    platform = await start({f"f{number}": {} for number in range(1000)})
    process = psutil.Process()
    before = process.cpu_times().user
    fleet: Fleet = platform.emulator.fleet
    assert len(fleet.revisions) == 1000
    assert not any(revision.awake for revision in fleet.revisions.values())
    assert len(platform.emulator.status()["functions"]) == 1000
    assert process.cpu_times().user - before < 0.5


async def test_a_thousand_functions_at_zero_need_little_memory_and_no_process(tmp_path: Path) -> None:
    stack = write_stack(tmp_path, {f"f{number}": {"fprocess": command()} for number in range(1000)})
    emulator, _ = await asyncio.to_thread(separate_emulator, stack, tmp_path / "data")
    process = psutil.Process(emulator.pid)
    try:
        assert process.children(recursive=True) == []
        assert process.memory_info().rss < 200e6
    finally:
        emulator.terminate()
        await asyncio.to_thread(emulator.wait, 20)


@pytest.fixture
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    folder = tmp_path_factory.mktemp("r")
    server = RedisServer(folder / "data", folder)
    await server.prepare()
    process = server.spawn(print)
    while not await server.is_ready(process):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    yield server.url
    await process.stop(5)


async def test_workers_follow_their_queue_and_are_not_stopped_at_work(start: Start, redis_url: str) -> None:
    worker = {"annotations": {"dev.sluice/queue": "q"}, "labels": {"com.openfaas.scale.max": "2"}}
    platform = await start({"worker": worker}, redis_url=redis_url, idle_s=0.1)
    async with Redis.from_url(redis_url) as redis:
        await redis.rpush("rq:queue:q", "a", "b", "c")
        await eventually(lambda: platform.function("worker")["ready"] == 2)
        await redis.zadd("rq:wip:q", {"c:1": 9_999_999_999})
        await redis.delete("rq:queue:q")
        await eventually(lambda: platform.function("worker")["queue"] == {"name": "q", "waiting": 0, "running": 1})
        assert platform.function("worker")["ready"] == 2
        await redis.delete("rq:wip:q")
        await eventually(lambda: platform.function("worker")["replicas"] == [])
        await redis.zadd("rq:scheduled:q", {"late": 1})
        await eventually(lambda: platform.function("worker")["ready"] == 1)


async def test_whatever_a_killed_emulator_left_is_gone_with_the_next(tmp_path: Path) -> None:
    body: dict[str, Any] = {"fprocess": command(), "labels": {"com.openfaas.scale.min": "1"}}
    stack = write_stack(tmp_path, {"echo": body})
    emulator, port = await asyncio.to_thread(separate_emulator, stack, tmp_path / "data")
    replica, grandchild = await _family(port)
    emulator.kill()
    emulator.wait()
    await eventually(lambda: _gone(replica))
    assert not _gone(grandchild)
    settings = EmulatorSettings(stack_file=stack, data_dir=tmp_path / "data", port=0, drain_s=1)
    async with Emulator(settings) as again:
        assert _gone(grandchild)
        assert await again.until_ready(20)
        assert [folder.name for folder in (tmp_path / "data" / "run" / "replicas").iterdir()] == [
            replica.name for replica in again.fleet.revisions["echo"].replicas
        ]


async def test_sigterm_ends_everything_in_order(tmp_path: Path) -> None:
    stack = write_stack(tmp_path, {"echo": {"fprocess": command(), "labels": {"com.openfaas.scale.min": "1"}}})
    emulator, port = await asyncio.to_thread(separate_emulator, stack, tmp_path / "data")
    replica, grandchild = await _family(port)
    emulator.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(emulator.wait, 20) == 0
    await eventually(lambda: _gone(replica) and _gone(grandchild))


SEPARATE = """
import asyncio, pathlib, signal, sys, uvloop, yaml
from emulator.app import Emulator, EmulatorSettings
from emulator.eventing import Eventing, read

async def main(stack, data, triggers=None):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = EmulatorSettings(stack_file=stack, data_dir=data, port=0, drain_s=1, grace_s=1)
    eventing = read(yaml.safe_load_all(triggers.read_text())) if triggers else Eventing()
    async with Emulator(settings, eventing) as emulator:
        await emulator.until_ready(20)
        print(emulator.settings.port, flush=True)
        await emulator.run(stop)

uvloop.run(main(*map(pathlib.Path, sys.argv[1:])))
"""


def separate_emulator(stack: Path, data: Path, *triggers: Path) -> "tuple[subprocess.Popen[str], int]":
    """On uvloop, as the command runs it."""
    arguments = [sys.executable, "-c", SEPARATE, *map(str, (stack, data, *triggers))]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        return process, int(output.readline())


async def _family(port: int) -> tuple[int, int]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/function/echo/x") as response:
            replica = (await response.json(content_type=None))["pid"]
        async with session.get(f"http://127.0.0.1:{port}/function/echo/fork") as response:
            return replica, int(await response.text())


def _gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
