"""One owner of a data directory at a time, held by the kernel: it ends with the process, however that ends."""

import fcntl
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from shared.errors import Conflict


class DataLock:
    def __init__(self, data_dir: Path, owner: str) -> None:
        self._data_dir = data_dir
        self._owner = owner
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        """Raises `Conflict` when another process has it."""
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (self._data_dir / f"{self._owner}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise Conflict(
                "data_dir_taken", f"the {self._owner} on {self._data_dir} is running already", field="data_dir"
            ) from None
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
