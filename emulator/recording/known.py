"""The values of every secret that this data directory holds."""

from pathlib import Path

from emulator.recording.redaction import SHORTEST_SECRET

MAX_SECRET_BYTES = 64 * 1024


class KnownSecrets:
    """Reads again once a folder of secrets has changed: each is written by a rename."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._stamp: dict[Path, int] = {}
        self._values: frozenset[bytes] = frozenset()

    def __call__(self) -> frozenset[bytes]:
        folders = [self._data_dir, self._data_dir / "secrets", *self._data_dir.glob("namespaces/*/secrets")]
        stamp = {folder: folder.stat().st_mtime_ns for folder in folders if folder.is_dir()}
        if stamp != self._stamp:
            files = [self._data_dir / "api-key", *(file for folder in folders[1:] for file in _files(folder))]
            self._values = frozenset(value for file in files for value in _values(file))
            self._stamp = stamp
        return self._values


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []


def _values(file: Path) -> list[bytes]:
    """The whole and each line: a file may hold two keys while they are being changed."""
    try:
        content = file.read_bytes() if file.stat().st_size <= MAX_SECRET_BYTES else b""
    except OSError:
        return []
    return [value for value in (content.strip(), *content.split()) if len(value) >= SHORTEST_SECRET]
