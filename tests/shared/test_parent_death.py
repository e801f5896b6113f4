"""A child that nobody will end ends by itself."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.processes import wait_until

PARENT = """
import os, signal, time
from shared.parent_death import die_with
parent = os.getpid()
child = os.fork()
if child == 0:
    die_with(parent, signal.SIGKILL)
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a Linux kernel's promise")
def test_a_child_is_gone_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(sys.platform != "linux", reason="a Linux kernel's promise")
def test_a_child_whose_parent_died_before_it_asked_ends_at_once() -> None:
    program = f"from shared.parent_death import die_with; die_with({os.getpid() + 1}, {signal.SIGKILL}); print('on')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
