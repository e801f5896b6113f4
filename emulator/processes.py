"""Child processes: each leads a session of its own, dies with the emulator, and takes its descendants along."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from emulator.logs import LineSplitter
from shared.parent_death import die_with

_READ_BYTES = 64 * 1024
_open_pidfd: Callable[[int], int] | None = getattr(os, "pidfd_open", None)


class Process:
    """A running child. `exited` resolves to its return code: negative for a signal, as in `subprocess`.

    Owns `stdout`. Whoever watches it says `ended`.
    """

    def __init__(self, pid: int, stdout: int, on_line: Callable[[str], None]) -> None:
        self.pid = pid
        self.started_at = _started_at(pid)
        self._on_line = on_line
        self._splitter = LineSplitter()
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._stdout = stdout
        os.set_blocking(self._stdout, False)
        self._loop.add_reader(self._stdout, self._read)
        self._reading = True

    @property
    def alive(self) -> bool:
        return not self.exited.done()

    def send_signal(self, number: signal.Signals) -> None:
        """To the process itself; no error when it is gone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def stop(self, grace_s: float, first: signal.Signals = signal.SIGTERM) -> int:
        """Asks, waits `grace_s`, then kills the whole session."""
        self.send_signal(first)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await asyncio.shield(self.exited)
        await asyncio.to_thread(kill_session, self.pid)
        return await asyncio.shield(self.exited)

    def ended(self, code: int) -> None:
        """It is over: what it printed last is read, and `exited` resolves."""
        self._read()
        self._finish_reading()
        if not self.exited.done():
            self.exited.set_result(code)

    def _read(self) -> None:
        while self._reading:
            try:
                data = os.read(self._stdout, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._finish_reading()
                return
            self._emit(self._splitter.feed(data))
            if len(data) < _READ_BYTES:
                return

    def _finish_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._stdout)
            self._emit(self._splitter.flush())
            os.close(self._stdout)

    def _emit(self, lines: list[str]) -> None:
        for line in lines:
            self._on_line(line)


def spawn(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    death_signal: signal.Signals = signal.SIGKILL,
    before_exec: Callable[[], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> Process:
    """Starts a command. `death_signal` reaches it when the emulator dies, however that happens (Linux).

    Must run on the main thread: the kernel ties the death signal to the thread that forked.
    """
    parent = os.getpid()

    def prepare() -> None:
        if before_exec is not None:
            before_exec()
        die_with(parent, death_signal)

    with warnings.catch_warnings():
        # Python 3.12 warns of fork with threads; what runs before exec takes no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        popen = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=prepare,
            pass_fds=pass_fds,
        )
    assert popen.stdout is not None
    process = Process(popen.pid, os.dup(popen.stdout.fileno()), on_line)
    popen.stdout.close()
    _Watch(popen, process)
    return process


class _Watch:
    """Tells a process of its end, by a file descriptor where the kernel has one for that, else from a thread."""

    def __init__(self, popen: "subprocess.Popen[bytes]", process: Process) -> None:
        self._popen = popen
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._pidfd: int | None = None
        with contextlib.suppress(OSError):
            self._pidfd = _open_pidfd(popen.pid) if _open_pidfd else None
        if self._pidfd is not None:
            self._loop.add_reader(self._pidfd, self._reap)
        else:
            waiter = self._loop.run_in_executor(None, self._popen.wait)
            waiter.add_done_callback(lambda _: self._reap())

    def _reap(self) -> None:
        code = self._popen.poll()
        if code is None:
            return
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        self._process.ended(code)


def _started_at(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return time.time()


def kill_session(leader: int) -> None:
    """SIGKILL to every process of the session, those included that moved to a process group of their own."""
    for _ in range(5):
        members = session_members(leader)
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def session_members(leader: int) -> list[int]:
    return [pid for pid in psutil.pids() if _session(pid) == leader and not _is_zombie(pid)]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def describe_exit(code: int) -> str:
    """A return code in words: `exit status 1`, `killed by SIGKILL`."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
