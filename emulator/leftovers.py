"""Who runs for this emulator, on disk, so that the next start finds and ends what a killed one left behind."""

import contextlib
import json
import logging
from pathlib import Path

import psutil

from emulator.processes import Process, kill_session, session_members

_CLOCK_STEP_S = 2.0

_log = logging.getLogger(__name__)


class PidFile:
    """One entry a session leader: pid and start time, because a pid alone may by now be somebody else's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[int, float] = {}

    def add(self, process: Process) -> None:
        self._entries[process.pid] = process.started_at
        self._write()

    def remove(self, process: Process) -> None:
        self._entries.pop(process.pid, None)
        self._write()

    def end_leftovers(self) -> list[int]:
        """Kills the sessions that the file names and that are still those; returns their leaders."""
        ended = []
        for leader, started_at in self._read().items():
            if _is_left_over(leader, started_at):
                kill_session(leader)
                ended.append(leader)
        self._write()
        return ended

    def _read(self) -> dict[int, float]:
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            return {int(pid): float(started) for pid, started in json.loads(self._path.read_text()).items()}
        return {}

    def _write(self) -> None:
        """A full disk ends nobody: the worst is a process that the next start does not find."""
        try:
            self._replace()
        except OSError as exc:
            _log.warning("%s could not be written: %s", self._path.name, exc.strerror)

    def _replace(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_text(json.dumps(self._entries))
        fresh.replace(self._path)


def _is_left_over(leader: int, started_at: float) -> bool:
    """A dead leader's session may live on in its children; nobody else can have got that session number then."""
    try:
        return abs(psutil.Process(leader).create_time() - started_at) < _CLOCK_STEP_S
    except psutil.NoSuchProcess:
        return any(_started_after(pid, started_at) for pid in session_members(leader))


def _started_after(pid: int, started_at: float) -> bool:
    try:
        return psutil.Process(pid).create_time() >= started_at - _CLOCK_STEP_S
    except psutil.NoSuchProcess:
        return False
