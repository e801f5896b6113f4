"""Recordings as they lie in a data directory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.failure import CommandFailed

SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Recording:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(SUFFIX)

    def exchanges(self) -> Iterator[dict[str, Any]]:
        """In the order they ended. A last line that was cut by a crash is passed over."""
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    found = json.loads(line)
                except ValueError:
                    if line.endswith("\n"):
                        raise CommandFailed(f"{self.path} is damaged: a line is not JSON") from None
                    return
                if not isinstance(found, dict) or "request" not in found:
                    raise CommandFailed(f"{self.path} is no recording", exit_code=2)
                yield found


def of(data_dir: Path) -> list[Recording]:
    """Oldest first."""
    files = sorted((data_dir / "recordings").glob(f"*{SUFFIX}"), key=lambda file: file.stat().st_mtime)
    return [Recording(file) for file in files]


def named(data_dir: Path, name: str | None) -> Recording:
    """The newest without a name; a path to a file works too. Raises `CommandFailed`."""
    if name is not None and (name.endswith(SUFFIX) or "/" in name):
        if not Path(name).is_file():
            raise CommandFailed(f"there is no file {name}", exit_code=2)
        return Recording(Path(name))
    found = of(data_dir)
    if not found:
        raise CommandFailed(f"there is no recording in {data_dir}: make one with `sluice record start`", exit_code=2)
    if name is None:
        return found[-1]
    for each in found:
        if each.name == name:
            return each
    raise CommandFailed(
        f"there is no recording {name}; there are: {', '.join(each.name for each in found)}", exit_code=2
    )
