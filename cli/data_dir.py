"""A platform's data directory: one owner at a time, secrets that only that owner reads."""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.failure import CommandFailed
from observe.redaction import conceal
from shared.auth.keyed_hash import new_api_key

SECRETS = ("event-signing-key", "caller-hash-key")
# Given in the environment of `sluice up`; empty, as a secret, for an endpoint that asks for none.
EMBEDDING_KEY, EMBEDDING_KEY_VARIABLE = "embedding-api-key", "EMBEDDING_API_KEY"
# stack.yml asks for them too; here the platform's own servers are told by variables.
ELSEWHERE = ("database-url", "redis-url")


def prepare(data_dir: Path, given: Mapping[str, str] = os.environ) -> None:
    """Makes the folders, and the secrets that are not there yet. A key that is given now replaces an earlier one."""
    make_folders(data_dir)
    for name in SECRETS:
        kept(data_dir / "secrets" / name, secrets.token_hex(32))
    for name in ELSEWHERE:
        kept(data_dir / "secrets" / name, "")
    path = data_dir / "secrets" / EMBEDDING_KEY
    if key := given.get(EMBEDDING_KEY_VARIABLE):
        conceal(key)
        _write_private(path, f"{key}\n")
    else:
        kept(path, "")


def make_folders(data_dir: Path) -> None:
    try:
        for folder in (data_dir, data_dir / "secrets", data_dir / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"cannot use {data_dir} for data: {error.strerror}", exit_code=2) from None
    (data_dir / "secrets").chmod(0o700)


def api_key(data_dir: Path) -> tuple[str, bool]:
    """The platform's first key, and whether it was made just now."""
    path = data_dir / "api-key"
    made = not path.exists()
    return kept(path, new_api_key()), made


def kept(path: Path, fresh: str) -> str:
    """What a private file holds, and no line of a log; when there is none yet, it is written whole with `fresh`."""
    try:
        held = path.read_text().strip()
    except FileNotFoundError:
        _write_private(path, f"{fresh}\n")
        held = fresh
    conceal(held)
    return held


def _write_private(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.replace(path)


@contextmanager
def owned(data_dir: Path) -> Iterator[None]:
    """Held while the platform runs. The kernel lets go of it when this process ends, however that happens."""
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise CommandFailed(
                f"a platform is already running on {data_dir}, with pid {pid}. Stop it with `sluice down`, "
                "or start another beside it with --data-dir and --port."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
