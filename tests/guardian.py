"""Runs a server for as long as another process lives, then stops it and removes its folder.

Usage: guardian.py WATCHED_PID FOLDER STOP_SIGNAL COMMAND...
It stands in a session of its own, so that whatever kills the test run leaves it to clean up.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from types import FrameType


class _Told(Exception):
    pass


def _told(_signum: int, _frame: FrameType | None) -> None:
    raise _Told


def guard(watched: int, folder: str, stop_signal: int, command: list[str]) -> None:
    signal.signal(signal.SIGTERM, _told)
    signal.signal(signal.SIGINT, _told)
    with subprocess.Popen(command, cwd=folder, user=_unprivileged(folder)) as server:
        try:
            _until_gone(watched, server)
        except _Told:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        finally:
            server.send_signal(stop_signal)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: str) -> int | None:
    """Postgres refuses to run as root: then it runs as whoever owns its folder."""
    return os.stat(folder).st_uid if os.geteuid() == 0 else None  # noqa: PTH116


def _until_gone(watched: int, server: "subprocess.Popen[bytes]") -> None:
    while server.poll() is None and _alive(watched):
        select.select([], [], [], 0.25)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] != "Z"


if __name__ == "__main__":
    guard(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
