"""Where secrets lie: a folder a namespace, a file a secret, read by their owner alone."""

import os
import re
from pathlib import Path
from typing import TextIO

from emulator.manifests import DEFAULT_NAMESPACE
from observe.redaction import conceal

# The gateway's own: on a cluster they are in another namespace than the functions.
RESERVED = frozenset(("basic-auth-user", "basic-auth-password"))
_NAME = re.compile(r"[a-zA-Z0-9][-._a-zA-Z0-9]{0,252}")


class SecretFiles:
    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def folder(self, namespace: str) -> Path:
        if namespace == DEFAULT_NAMESPACE:
            return self._data_dir / "secrets"
        return self._data_dir / "namespaces" / namespace / "secrets"

    def names(self, namespace: str) -> list[str]:
        folder = self.folder(namespace)
        return sorted(file.name for file in _files(folder) if is_name(file.name))

    def find(self, namespace: str, name: str) -> Path | None:
        file = self.folder(namespace) / name
        return file if is_name(name) and file.is_file() else None

    def write(self, namespace: str, name: str, value: bytes) -> None:
        """Whole or not at all: a replica that starts meanwhile reads the old or the new value."""
        conceal(value)
        folder = self.folder(namespace)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / name, value)

    def remove(self, namespace: str, name: str) -> None:
        (self.folder(namespace) / name).unlink(missing_ok=True)


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in RESERVED


def write_private(path: Path, value: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(value)
    part.replace(path)


def open_private(path: Path) -> TextIO:
    """A new file for its owner alone. Raises `FileExistsError`."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
