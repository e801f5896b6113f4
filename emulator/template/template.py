"""The emulator's end of a template process.

Messages are JSON objects, one a packet. To the template: `{"modules": [...]}` first, then for each replica a job with
its output as a file descriptor, at last `{"leave": true}`. From it: `ready` or `unusable` or, before it begins again,
`threads` with the module at fault; then a `pid` for each job, and `exited` with a `code` for each replica that ended.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emulator.processes import Process, spawn
from emulator.template.command import PythonCommand
from emulator.template.program import MAX_MESSAGE_BYTES

PROGRAM = Path(__file__).with_name("program.py")
ANSWER_S = 1.0
MOST_BEGINNINGS = 10

State = Literal["warming", "ready", "useless"]


@dataclass(frozen=True)
class Job:
    """One replica. `secrets` is shown to it through the empty folder `under`, where the flags of a mount are given."""

    words: Sequence[str]
    environment: Mapping[str, str]
    on_line: Callable[[str], None]
    secrets: Path | None = None
    under: Path | None = None
    mount_flags: int = 0

    def message(self) -> dict[str, Any]:
        return {
            "words": list(self.words),
            "environment": dict(self.environment),
            "secrets": str(self.secrets or ""),
            "under": str(self.under or ""),
            "mount_flags": self.mount_flags,
        }


class NoFork(Exception):
    """The template gave no replica: start it another way."""


class Template:
    """`say` hears once why it is of no use, if so. Must be made on the main thread, as any child."""

    def __init__(
        self,
        command: PythonCommand,
        modules: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self.state: State = "warming"
        self._modules = list(modules)
        self._say = say
        self._libraries: dict[str, int] = {}
        self._replicas: dict[int, Process] = {}
        self._beginnings = 0
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        words = [*command.interpreter, str(PROGRAM), str(theirs.fileno()), *command.words]
        try:
            self.process = spawn(
                words, folder=folder, environment=environment, on_line=on_line, pass_fds=(theirs.fileno(),)
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._loop.add_reader(ours, self._read)
        self._begin()
        self.process.exited.add_done_callback(lambda _: self._over())

    @property
    def usable(self) -> bool:
        """Ready, and nothing was installed since it was warmed."""
        return self.state == "ready" and all(_changed_ns(path) == at for path, at in self._libraries.items())

    def fork(self, job: Job) -> Process:
        """Raises `NoFork`, after which the template is of no further use."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                socket.send_fds(self._control, [json.dumps(job.message()).encode()], [writing])
            finally:
                os.close(writing)
            pid = self._pid()
        except (OSError, TimeoutError) as error:
            os.close(reading)
            self._give_up(f"it does not answer: {error}")
            raise NoFork from error
        self._replicas[pid] = process = Process(pid, reading, job.on_line)
        return process

    def leave(self) -> None:
        """It ends with the last of its replicas."""
        self.state = "useless"
        with contextlib.suppress(OSError):
            self._control.send(b'{"leave": true}')

    async def stop(self) -> None:
        """With all its replicas."""
        self.state = "useless"
        await self.process.stop(0)

    def _begin(self) -> None:
        self._beginnings += 1
        message = json.dumps({"modules": self._modules}).encode()
        with contextlib.suppress(OSError):
            self._control.send(message)

    def _pid(self) -> int:
        until = time.monotonic() + ANSWER_S
        while True:
            ready, _, _ = select.select([self._control], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("no answer in time")
            message = self._next()
            if "pid" in message:
                return int(message["pid"])
            self._heard(message)

    def _next(self) -> dict[str, Any]:
        data = self._control.recv(MAX_MESSAGE_BYTES)
        if not data:
            raise ConnectionResetError("it is gone")
        message: dict[str, Any] = json.loads(data)
        return message

    def _read(self) -> None:
        try:
            self._heard(self._next())
        except OSError:
            self._loop.remove_reader(self._control)

    def _heard(self, message: Mapping[str, Any]) -> None:
        if "exited" in message:
            process = self._replicas.pop(int(message["exited"]), None)
            if process is not None:
                process.ended(int(message["code"]))
        elif "threads" in message:
            self._modules = _without(self._modules, str(message["threads"]))
            if self._beginnings < MOST_BEGINNINGS:
                self._begin()
            else:
                self._give_up("too many of its modules start threads when they are imported")
        elif "unusable" in message:
            self._give_up(str(message["unusable"]))
        elif "ready" in message and self.state == "warming":
            self._libraries = {path: _changed_ns(path) for path in message["paths"]}
            self.state = "ready"

    def _give_up(self, why: str) -> None:
        if self.state != "useless":
            self.state = "useless"
            self._say(f"no template: {why}; replicas are started as a container would be")
        self.process.send_signal(signal.SIGKILL)

    def _over(self) -> None:
        """The kernel has killed whoever was left of its replicas."""
        if self.state != "useless":
            self._give_up("it ended by itself")
        self._loop.remove_reader(self._control)
        with contextlib.suppress(OSError):
            self._control.setblocking(False)
            while True:
                self._heard(self._next())
        self._control.close()
        for process in self._replicas.values():
            process.ended(-signal.SIGKILL)
        self._replicas.clear()


def _without(modules: Sequence[str], at_fault: str) -> list[str]:
    """Nor what lies in it."""
    return [name for name in modules if name != at_fault and not name.startswith(f"{at_fault}.")]


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0
