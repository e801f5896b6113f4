"""Real processes that take more memory than they may."""

import asyncio

import pytest

from emulator.containment.allowance import MIB, Allowance, with_limits
from emulator.containment.memory import MemoryWatch, Weighed, sessions
from shared.errors import InvalidInput
from tests.emulator.conftest import Start, eventually
from tests.emulator.test_processes import start as start_process

FAMILY = """
import os, time
held = b"x" * 60_000_000 if os.fork() else b"y" * 60_000_000
print("filled", flush=True)
time.sleep(600)
"""

SHARING = """
import os, time
held = b"x" * 120_000_000
os.fork()
print("filled", flush=True)
time.sleep(600)
"""


async def test_the_processes_of_a_session_are_weighed_together() -> None:
    lines: list[str] = []
    process = start_process(FAMILY, lines)
    await eventually(lambda: len(lines) == 2)
    heard: list[int] = []
    for limit_bytes in (100 * MIB, 1000 * MIB, 0):
        await MemoryWatch(lambda limit=limit_bytes: [Weighed(process.pid, limit, heard.append)]).look()  # type: ignore[misc]
    assert [110 * MIB < size < 250 * MIB for size in heard] == [True]
    await process.stop(0)
    await eventually(lambda: not sessions({process.pid}))
    await MemoryWatch(lambda: [Weighed(process.pid, 1, heard.append)]).look()
    assert len(heard) == 1


async def test_what_processes_share_is_counted_once() -> None:
    lines: list[str] = []
    process = start_process(SHARING, lines)
    await eventually(lambda: len(lines) == 2)
    heard: list[int] = []
    await MemoryWatch(lambda: [Weighed(process.pid, 200 * MIB, heard.append)]).look()
    assert heard == []
    await process.stop(0)


async def test_a_replica_over_its_limit_is_killed_and_everybody_is_told_why(start: Start) -> None:
    platform = await start({"echo": {"limits": {"memory": "128Mi"}}})
    assert (await platform.get("/function/echo"))[0] == 200
    pid = platform.function("echo")["replicas"][0]["pid"]
    assert (await platform.get("/function/echo/hold/200"))[0] == 502
    found = await eventually(lambda: platform.function("echo")["reason"] and platform.function("echo"))
    assert found["reason"].startswith("OOMKilled: its processes held ")
    assert found["reason"].endswith(" MiB, and may hold 128 MiB")
    assert found["limits"] == {"memory_bytes": 128 * MIB, "cpu_millis": 0}
    assert 'sluice_emulator_oom_kills_total{function_name="echo.openfaas-fn"} 1' in (await platform.get("/metrics"))[1]
    assert "OOMKilled" in (await platform.get("/logs/echo"))[1]
    assert (await platform.get("/function/echo"))[0] == 200
    assert pid not in [replica["pid"] for replica in platform.function("echo")["replicas"]]


async def test_who_grows_again_and_again_waits_longer_each_time(start: Start) -> None:
    greedy = "held = b'x' * 200_000_000; import time; time.sleep(600)"
    platform = await start({"greedy": {"fprocess": f'python -c "{greedy}"', "limits": {"memory": "64Mi"}}})
    call = asyncio.create_task(platform.get("/function/greedy"))
    await eventually(lambda: platform.function("greedy")["failures"] >= 2, timeout_s=20)
    assert platform.function("greedy")["reason"].startswith("OOMKilled")
    call.cancel()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, Allowance(7, 9)),
        ({"memory": "256Mi"}, Allowance(256 * MIB, 9)),
        ({"cpu": "1.5", "memory": "1Gi"}, Allowance(1024 * MIB, 1500)),
        ({"cpu": "100m", "nvidia.com/gpu": "1"}, Allowance(7, 100)),
        ({"memory": "0"}, Allowance(0, 9)),
    ],
)
def test_limits_go_before_the_class(limits: dict[str, str], expected: Allowance) -> None:
    assert with_limits(Allowance(7, 9), limits, "limits") == expected


@pytest.mark.parametrize(("name", "text"), [("memory", "much"), ("cpu", "-1"), ("memory", "40m")])
def test_a_limit_that_is_none_is_named(name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=f"limits.{name}"):
        with_limits(Allowance(), {name: text}, "limits")
