"""`./scripts/demo` ends in order, whoever ends it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.processes import wait_until


@pytest.fixture
def demo(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """In a session of its own, as a terminal has it, and with nothing in its temporary directory."""
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.run"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.wait()


def mentioning(folder: Path) -> list[int]:
    """Processes with this folder on their command line."""
    return [one.pid for one in psutil.process_iter() if any(str(folder) in part for part in command_line(one))]


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.parametrize("heard", ["starting a platform", "indexing"])
def test_a_closed_terminal_leaves_nothing(demo: "subprocess.Popen[bytes]", tmp_path: Path, heard: str) -> None:
    assert demo.stdout is not None
    for line in demo.stdout:
        if heard in line.decode():
            break
    if heard == "starting a platform":
        wait_until(lambda: bool(mentioning(tmp_path)))
    os.killpg(demo.pid, signal.SIGHUP)
    demo.stdout.close()
    assert demo.wait(timeout=60) == 130
    wait_until(lambda: not mentioning(tmp_path))
    assert list(tmp_path.iterdir()) == []
