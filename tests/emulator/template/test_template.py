"""A replica that was forked is what a new process would have been."""

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from emulator.processes import Process, spawn
from emulator.sources import sources_of
from emulator.template.command import PythonCommand
from emulator.template.template import Job, NoFork, Template
from emulator.template.templates import worth_warming
from tests.emulator.conftest import eventually
from tests.emulator.test_processes import is_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates are forked on Linux only")

CODE = Path(__file__).parents[1] / "functions" / "chatty.py"
BY_MODULE, BY_FILE = ("-m", "chatty"), ("chatty.py",)
LIBRARIES = ("json", "colorsys", "http.server")


class World:
    """A folder with the function, and its templates."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.said: list[str] = []
        self._stack = stack

    async def template(self, *words: str, modules: tuple[str, ...] = LIBRARIES, **env: str) -> Template:
        """Once it is ready, or known to be useless."""
        template = Template(
            PythonCommand((sys.executable,), words or BY_MODULE),
            modules,
            folder=self.folder,
            environment={"PYTHONUNBUFFERED": "1", **env},
            on_line=self.lines.append,
            say=self.said.append,
        )
        self._stack.push_async_callback(template.stop)
        await eventually(lambda: template.state != "warming", 30)
        return template

    def job(self, *words: str, **env: str) -> Job:
        return Job(words, {"PYTHONUNBUFFERED": "1", **env}, self.lines.append)

    def execute(self, *words: str, **env: str) -> Process:
        """As a container would."""
        environment = {"PYTHONUNBUFFERED": "1", **env}
        return spawn([sys.executable, *words], folder=self.folder, environment=environment, on_line=self.lines.append)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "chatty.py").write_bytes(CODE.read_bytes())
    async with AsyncExitStack() as stack:
        yield World(tmp_path, stack)


@asynccontextmanager
async def looking(process: Process, port: int) -> AsyncIterator[dict[str, Any]]:
    try:
        yield await asyncio.to_thread(_ask, port)
    finally:
        await process.stop(0)


def _ask(port: int) -> dict[str, Any]:
    for _ in range(2_000):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                found: dict[str, Any] = json.load(response)
                return found
        except OSError:
            pass
    raise AssertionError("it never answered")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("words", [BY_MODULE, BY_FILE], ids=["module", "file"])
async def test_it_sees_what_a_new_process_sees(world: World, words: tuple[str, ...]) -> None:
    port, other = free_port(), free_port()
    template = await world.template(*words, OF_THE_TEMPLATE="1")
    async with looking(world.execute(*words, "look", "x y", PORT=str(port), OWN="1"), port) as real:
        pass
    async with looking(template.fork(world.job(*words, "look", "x y", PORT=str(other), OWN="1")), other) as forked:
        pass
    different = {key for key in real if real[key] != forked[key]}
    assert different <= {"env", "random", "pid", "parent"}
    assert {**real["env"], "PORT": ""} == {**forked["env"], "PORT": ""}, "read while it was imported"
    assert forked["session"] is True


async def test_chance_and_hash_differ_between_replicas(world: World) -> None:
    template = await world.template(modules=(*LIBRARIES, "random"))
    seen = []
    for _ in range(2):
        port = free_port()
        async with looking(template.fork(world.job(*BY_MODULE, PORT=str(port))), port) as one:
            seen.append(one["random"])
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("exit", "0"), 0, "last words"),
        (("exit", "7"), 7, "last words"),
        (("raise",), 1, "RuntimeError: as asked"),
        (("signal", str(int(signal.SIGTERM))), -signal.SIGTERM, ""),
        (("signal", str(int(signal.SIGKILL))), -signal.SIGKILL, ""),
        (("signal", str(int(signal.SIGINT))), -signal.SIGINT, "KeyboardInterrupt"),
    ],
)
async def test_it_ends_as_a_new_process_ends(world: World, arguments: tuple[str, ...], code: int, said: str) -> None:
    template = await world.template()
    executed = await world.execute(*BY_MODULE, *arguments).exited
    theirs, world.lines[:] = list(world.lines), []
    forked = await template.fork(world.job(*BY_MODULE, *arguments)).exited
    assert (executed, forked) == (code, code)
    assert [world.lines[-1:], said in "".join(world.lines)] == [theirs[-1:], True]


async def test_new_code_is_what_the_next_replica_runs(world: World) -> None:
    template = await world.template()
    (world.folder / "chatty.py").write_text("print('edited')")
    assert await template.fork(world.job(*BY_MODULE)).exited == 0
    assert world.lines == ["edited"]


async def test_a_signal_reaches_it_and_its_children_go_with_it(world: World) -> None:
    (world.folder / "chatty.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], process_group=0)\n"
        "print(child.pid, flush=True)\ntime.sleep(600)"
    )
    template = await world.template(modules=("subprocess",))
    process = template.fork(world.job(*BY_MODULE))
    child = int(await eventually(lambda: world.lines and world.lines[0]))
    assert await process.stop(5) == -signal.SIGTERM
    await eventually(lambda: is_gone(child))
    assert template.usable


async def test_no_replica_outlives_its_template_and_none_its_emulator(world: World) -> None:
    port = free_port()
    template = await world.template()
    process = template.fork(world.job(*BY_MODULE, PORT=str(port)))
    os.kill(template.process.pid, signal.SIGKILL)
    assert await process.exited == -signal.SIGKILL
    await eventually(lambda: is_gone(process.pid))
    with pytest.raises(NoFork):
        template.fork(world.job(*BY_MODULE))
    assert world.said == ["no template: it ended by itself; replicas are started as a container would be"]


async def test_a_template_that_may_leave_stays_for_its_replicas(world: World) -> None:
    port = free_port()
    template = await world.template()
    process = template.fork(world.job(*BY_MODULE, PORT=str(port)))
    template.leave()
    async with looking(process, port) as seen:
        assert seen["pid"] == process.pid
    assert await asyncio.wait_for(template.process.exited, 10) == 0
    assert world.said == []


async def test_what_starts_threads_is_left_to_the_replica(world: World) -> None:
    site = world.folder / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    (site / "plain.py").write_text("")
    (world.folder / "chatty.py").write_text(
        "import sys\nprint('threaded' in sys.modules, 'plain' in sys.modules)\nimport threaded"
    )
    template = await world.template(modules=("threaded", "plain"), PYTHONPATH=str(site))
    assert template.usable
    assert await template.fork(world.job(*BY_MODULE, PYTHONPATH=str(site))).exited == 0
    assert world.lines == ["False True"]


async def test_a_dependency_that_imports_the_project_makes_a_template_useless(world: World) -> None:
    site = world.folder / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "plugin.py").write_text("import mine")
    (world.folder / "mine.py").write_text("")
    template = await world.template(modules=("plugin",), PYTHONPATH=str(site))
    assert template.state == "useless"
    assert "importing its dependencies imports mine of the project" in world.said[0]


async def test_what_is_installed_later_makes_a_template_useless(world: World) -> None:
    site = world.folder / "lib" / "site-packages"
    site.mkdir(parents=True)
    template = await world.template(PYTHONPATH=str(site))
    assert template.usable
    (site / "fresh.py").write_text("")
    assert not template.usable


async def test_an_interpreter_that_cannot_serve_is_told_of(world: World) -> None:
    template = Template(
        PythonCommand(("/bin/false",), BY_MODULE),
        (),
        folder=world.folder,
        environment={},
        on_line=world.lines.append,
        say=world.said.append,
    )
    await eventually(lambda: template.state == "useless")
    assert world.said == ["no template: it ended by itself; replicas are started as a container would be"]


async def test_memory_is_shared_with_the_template(world: World) -> None:
    template = await world.template(modules=("asyncio", "pydantic", "http.server"))
    port = free_port()
    async with looking(template.fork(world.job(*BY_MODULE, PORT=str(port))), port) as seen:
        full = psutil.Process(seen["pid"]).memory_full_info()
    assert full.uss < full.rss / 2


@pytest.mark.parametrize(("endpoint", "warmed"), [("", False), ("http://127.0.0.1:4318", True)])
def test_what_only_an_exporter_loads_is_warmed_for_an_exporter_alone(endpoint: str, warmed: bool) -> None:
    modules = sources_of(("python", "-m", "functions.chunk.main"), Path(__file__).parents[3], {}).foreign
    chosen = worth_warming(modules, {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
    assert any(name.startswith("opentelemetry.sdk") for name in modules)
    assert any(name.startswith("opentelemetry") for name in chosen) is warmed
    assert {"pydantic", "uvicorn.config"} <= set(chosen)
