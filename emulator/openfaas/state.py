"""What must outlive the emulator: deployments, removals and namespaces, in one small file written whole."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import Conflict

Json = dict[str, Any]


@dataclass
class State:
    """`functions`: deployments by key. `replaced`: for functions of the stack file, the entry that was overruled."""

    functions: dict[str, Json] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    namespaces: dict[str, Json] = field(default_factory=dict)


class StateFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> State:
        """Raises `Conflict` when the file is not ours."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return State(dict(found["functions"]), dict(found["replaced"]), dict(found["namespaces"]))
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Conflict("deployments_unreadable", f"{self._path} cannot be read: {error}") from error

    def write(self, state: State) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"functions": state.functions, "replaced": state.replaced, "namespaces": state.namespaces}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
