"""Which platforms run on this machine: one file in each data directory, one by port for those who know only that."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Running:
    """`started` tells this process from a later one with the same pid."""

    pid: int
    started: float
    port: int
    data_dir: str


def started_at(pid: int) -> float | None:
    """When a process began, in seconds since the epoch; None when there is none."""
    import psutil  # noqa: PLC0415

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def is_alive(running: Running) -> bool:
    began = started_at(running.pid)
    return began is not None and abs(began - running.started) < 1


def read(data_dir: Path) -> Running | None:
    """The platform of a data directory, None when it is not running (or was killed and left its file)."""
    return _load(_state_file(data_dir))


def at_port(port: int) -> Running | None:
    """The platform this user runs on a port."""
    try:
        return _load(_registry() / f"{port}.json")
    except OSError:
        return None


def write(running: Running) -> None:
    text = json.dumps(asdict(running))
    try:
        _replace(_registry() / f"{running.port}.json", text, running.pid)
    except FileNotFoundError:  # the last platform that ended took the folder along, just now
        _replace(_registry() / f"{running.port}.json", text, running.pid)
    _replace(_state_file(Path(running.data_dir)), text, running.pid)


@contextmanager
def announced(data_dir: Path, port: int) -> Iterator[None]:
    """This process, from the first moment on, so that `sluice down` can also stop what is only starting."""
    me = Running(os.getpid(), started_at(os.getpid()) or 0.0, port, str(data_dir))
    write(me)
    try:
        yield
    finally:
        remove(me)


def remove(running: Running) -> None:
    for path in (_state_file(Path(running.data_dir)), _registry() / f"{running.port}.json"):
        if _parse(path) == running:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # others are still in it
        _registry().rmdir()


def _replace(path: Path, text: str, pid: int) -> None:
    part = path.with_suffix(f".{pid}")
    part.write_text(text)
    part.replace(path)


def _state_file(data_dir: Path) -> Path:
    return data_dir / "platform.json"


def _registry() -> Path:
    """A folder in the temporary directory that only this user can have written."""
    folder = Path(os.environ.get("TMPDIR") or "/tmp") / f"sluice-{os.getuid()}"  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is not ours")
    return folder


def _load(path: Path) -> Running | None:
    running = _parse(path)
    return running if running is not None and is_alive(running) else None


def _parse(path: Path) -> Running | None:
    try:
        return Running(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
