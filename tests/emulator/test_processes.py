"""Child processes and what is left of them."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from emulator.leftovers import PidFile
from emulator.processes import Process, describe_exit, kill_session, spawn
from tests.emulator.conftest import eventually

FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
print(child.pid, flush=True)
time.sleep(600)
"""


def start(code: str, lines: list[str]) -> Process:
    return spawn([sys.executable, "-c", code], folder=Path("/"), environment={}, on_line=lines.append)


async def test_output_is_read_line_by_line_to_the_last() -> None:
    lines: list[str] = []
    process = start(
        "import sys; print('err', file=sys.stderr, flush=True); print('out'); print('no newline', end='')", lines
    )
    assert await process.exited == 0
    assert lines == ["err", "out", "no newline"]


async def test_a_session_goes_with_its_leader() -> None:
    lines: list[str] = []
    process = start(FAMILY, lines)
    child = int(await eventually(lambda: lines and lines[0]))
    assert await process.stop(0.1, signal.SIGCONT) == -signal.SIGKILL
    await eventually(lambda: is_gone(child))


async def test_leftovers_of_a_dead_leader_are_found(tmp_path: Path) -> None:
    lines: list[str] = []
    process = start(FAMILY, lines)
    child = int(await eventually(lambda: lines and lines[0]))
    PidFile(tmp_path / "pids").add(process)
    os.kill(process.pid, signal.SIGKILL)
    await process.exited
    assert not is_gone(child)
    assert PidFile(tmp_path / "pids").end_leftovers() == [process.pid]
    await eventually(lambda: is_gone(child))
    assert PidFile(tmp_path / "pids").end_leftovers() == []


async def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(tmp_path: Path) -> None:
    process = start("import time; time.sleep(600)", [])
    (tmp_path / "pids").write_text(f'{{"{process.pid}": {process.started_at - 60}}}')
    assert PidFile(tmp_path / "pids").end_leftovers() == []
    assert process.alive
    await process.stop(0)


async def test_a_spoilt_pid_file_is_no_obstacle(tmp_path: Path) -> None:
    for content in ("", "[]", "{", '{"x": 1}', "null"):
        (tmp_path / "pids").write_text(content)
        assert PidFile(tmp_path / "pids").end_leftovers() == []


async def test_a_pid_file_that_cannot_be_written_ends_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "full").touch()
    process = start("pass", [])
    PidFile(tmp_path / "full" / "pids").add(process)
    assert "pids could not be written" in caplog.text
    await process.exited


def test_exits_in_words() -> None:
    assert [describe_exit(code) for code in (0, 3, -9)] == ["exit status 0", "exit status 3", "killed by SIGKILL"]


def test_nobody_is_in_a_session_that_is_not_there() -> None:
    kill_session(2**22 + 1)


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
