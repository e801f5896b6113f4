"""What files looked like: enough to tell that one was edited, replaced by a rename, made or removed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

# Time of change, size and inode; None for a file that is not there.
Stamp: TypeAlias = tuple[int, int, int] | None
Snapshot: TypeAlias = Mapping[Path, Stamp]


def take(files: Iterable[Path]) -> dict[Path, Stamp]:
    return {file: _stamp(file) for file in files}


def changed(before: Snapshot, now: Snapshot) -> frozenset[Path]:
    """Of the files that `before` knows."""
    return frozenset(file for file, stamp in before.items() if now.get(file) != stamp)


def newer(snapshot: Snapshot, since_s: float) -> frozenset[Path]:
    """Changed after that moment, in seconds since the epoch."""
    return frozenset(file for file, stamp in snapshot.items() if stamp is not None and stamp[0] / 1e9 > since_s)


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
