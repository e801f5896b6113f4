"""Profiles reach Pyroscope, tell time as that of the right span, and cost nothing while they are off."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from observe import profiling
from tests.fakes.pyroscope import Sample, pyroscope_server
from tests.local_http import closed_port, until
from tests.observe.expressions import ROOT

OFF = """
import asyncio, sys
from observe import profiling
async def work(): return 1
profiling.setup("x", {"PYROSCOPE_SERVER_ADDRESS": ""})
coroutine = work()
print(profiling.attributed(coroutine) is coroutine, profiling.in_thread(len) is len, asyncio.run(coroutine))
print(profiling.stop(), "pyroscope" in sys.modules)
"""


async def run(program: str, address: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.observe.profiled", program),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYROSCOPE_SERVER_ADDRESS": address, "SERVICE_VERSION": "0a1b2c3"},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return json.loads(said)


def seconds_by_span(samples: list[Sample], function: str) -> dict[str | None, float]:
    found: dict[str | None, float] = {}
    for sample in samples:
        if function in sample.functions:
            span = sample.labels.get("span_id")
            found[span] = found.get(span, 0) + sample.nanoseconds / 1e9
    return found


async def test_time_is_told_as_the_span_s_though_two_take_turns_on_a_thread() -> None:
    async with pyroscope_server() as server:
        first, second = await run("interleaved", server.url)
    [labels] = {frozenset(profile.labels.items()) for profile in server.profiles}
    assert labels >= {("service_name", "profiled"), ("service_version", "0a1b2c3"), ("deployment_environment", "dev")}
    for function, mine, other in (("burn_first", first, second), ("burn_second", second, first)):
        told = seconds_by_span(server.samples, function)
        assert told[mine] > 0.2
        # A sample is taken while others run: it may see the tag of a moment before or after.
        assert told.get(other, 0) + told.get(None, 0) < 0.2 * told[mine]
    own = [sample for sample in server.samples if "interleaved.<locals>.both" in sample.functions]
    assert {sample.labels.get("span_id") for sample in own} == {None}


async def test_time_in_a_thread_is_the_span_s_that_sent_it_there() -> None:
    async with pyroscope_server() as server:
        span = await run("in_a_thread", server.url)
    told = seconds_by_span(server.samples, "burn_first")
    assert told[span] > 0.2
    assert sum(told.values()) == pytest.approx(told[span], rel=0.2)


async def test_each_fork_of_a_worker_profiles_itself_and_the_parent_does_not() -> None:
    async with pyroscope_server() as server:
        said = await run("forked", server.url)
        await until(lambda: len(server.profiles) >= 2)
    assert said == {"statuses": [0, 0], "parent_has_it": False}
    assert len([1 for profile in server.profiles if any("burn_first" in s.functions for s in profile.samples)]) == 2


async def test_a_server_that_takes_nothing_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = await run("stopped_late", f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert said["left"] is False
    assert said["seconds"] < 5


async def test_a_server_that_is_away_holds_nobody_up() -> None:
    said = await run("stopped_late", f"http://127.0.0.1:{closed_port()}")
    assert said["seconds"] < 5


def test_off_it_is_not_there() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", OFF], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    assert ended.stdout.split() == ["True", "True", "1", "True", "False"]


def test_without_an_address_it_is_off() -> None:
    assert profiling.Settings.read("x", {}) is None
    assert profiling.Settings.read("x", {"PYROSCOPE_SERVER_ADDRESS": " "}) is None


def test_an_address_that_is_none_is_said_and_turns_it_off(caplog: pytest.LogCaptureFixture) -> None:
    assert profiling.Settings.read("x", {"PYROSCOPE_SERVER_ADDRESS": "alloy:4040"}) is None
    assert "PYROSCOPE_SERVER_ADDRESS" in caplog.text
    assert "alloy" not in caplog.text.replace("http://alloy:4040", "")


async def test_a_span_that_was_profiled_says_so_where_grafana_looks() -> None:
    """In the process that exports it, and no other span."""
    async with pyroscope_server() as server:
        said = await run("exported", server.url)
    assert said == {"work": True, "other": False}
