"""Writes what passes into a file of its own, as long as it is asked to, and no more than it may."""

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from emulator.recording.exchange import Kept, Kind, value_of
from emulator.recording.redaction import Headers, clean, secrets_of
from emulator.secret_files import open_private
from shared.errors import Conflict, InvalidInput, Permanent

NAME = re.compile(r"[a-z0-9][-_.a-z0-9]{0,63}")
DEFAULT_MB, MOST_MB, MOST_MB_TOGETHER = 64, 1024, 2048
# Values that were once in a secret header of this recording: enough for every caller of a laptop.
MOST_SECRETS = 1_000
OF_THE_WIRE = ("content-encoding", "content-length")
_MB = 1024 * 1024


@dataclass(frozen=True)
class Message:
    """A request or an answer before it is cleaned. `line` is the target of the one, the status of the other."""

    line: str
    headers: Headers
    body: Kept


@dataclass
class _Recording:
    name: str
    functions: frozenset[str]
    max_bytes: int
    file: TextIO
    since: str
    count: int = 0
    size: int = 0
    left_out: int = 0
    trouble: str = ""


class Recorder:
    """`known` gives the values of all secrets as they are now."""

    def __init__(self, folder: Path, known: Callable[[], Iterable[bytes]]) -> None:
        self._folder = folder
        self._known = known
        self._now: _Recording | None = None
        self._seen: set[bytes] = set()

    def wants(self, key: str) -> bool:
        now = self._now
        return now is not None and (not now.functions or key in now.functions)

    def start(self, name: str = "", functions: Iterable[str] = (), max_mb: int = DEFAULT_MB) -> dict[str, Any]:
        """Raises `InvalidInput`, and `Conflict` while one is being made or its name is taken."""
        name = name or datetime.now(UTC).strftime("%Y-%m-%dt%H-%M-%S")
        if not NAME.fullmatch(name):
            raise InvalidInput("name_invalid", "name must be lower-case letters, digits and -_.", field="name")
        if not 1 <= max_mb <= MOST_MB:
            raise InvalidInput("size_invalid", f"max_mb must be from 1 to {MOST_MB}", field="max_mb")
        if self._now is not None:
            raise Conflict("recording_already", f"{self._now.name} is being recorded: stop that first")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(file.stat().st_size for file in self._folder.glob("*.jsonl")) > MOST_MB_TOGETHER * _MB:
            raise Conflict("recordings_full", f"recordings hold over {MOST_MB_TOGETHER} MB: remove some first")
        try:
            file = open_private(self._folder / f"{name}.jsonl")
        except FileExistsError:
            raise Conflict("recording_exists", f"there is a recording {name} already") from None
        except OSError as error:
            raise Permanent("recording_unwritable", f"{name} cannot be written: {error.strerror}") from error
        self._seen.clear()
        self._now = _Recording(name, frozenset(functions), max_mb * _MB, file, datetime.now(UTC).isoformat())
        return self.status()

    def stop(self) -> dict[str, Any]:
        """What was recorded; `recording` false when nothing was."""
        status = self.status()
        if self._now is not None:
            self._now.file.close()
            self._now = None
        return status

    def status(self) -> dict[str, Any]:
        now = self._now
        if now is None:
            return {"recording": False}
        counted = {"count": now.count, "bytes": now.size, "left_out": now.left_out, "trouble": now.trouble}
        functions = sorted(now.functions)
        return {"recording": True, "name": now.name, "functions": functions, "since": now.since, **counted}

    def keep(self, kind: Kind, key: str, method: str, request: Message, answer: Message | None, ms: float) -> None:
        """What is over the size, or cannot be written, is counted and left out."""
        now = self._now
        if now is None:
            return
        line = self._line(now.count + 1, kind, key, method, request, answer, ms)
        size = len(line.encode())
        if now.size + size > now.max_bytes or now.trouble:
            now.left_out += 1
            return
        try:
            now.file.write(line)
            now.file.flush()
        except OSError as error:
            now.trouble = f"nothing more can be written: {error.strerror}"
            now.left_out += 1
            return
        now.count += 1
        now.size += size

    def _line(
        self, number: int, kind: Kind, key: str, method: str, request: Message, answer: Message | None, ms: float
    ) -> str:
        found = secrets_of(request.headers) | (secrets_of(answer.headers) if answer else frozenset())
        if len(self._seen) < MOST_SECRETS:
            self._seen |= found
        secrets = {*self._known(), *self._seen, *found}
        asked = clean(request.line, request.headers, request.body.content, secrets)
        secrets |= asked.values
        told = clean("", answer.headers, answer.body.content, secrets) if answer else None
        record: dict[str, Any] = {
            "n": number,
            "at": datetime.fromtimestamp(time.time(), UTC).isoformat(),
            "kind": kind,
            "function": key,
            "ms": round(ms, 1),
            "request": {
                "method": method,
                "target": asked.target,
                "headers": [list(header) for header in asked.headers],
                "body": Kept(asked.body, request.body.size, request.body.cut).to_json(),
                "redacted": list(asked.removed),
            },
            "response": None,
        }
        if answer is not None and told is not None:
            record["response"] = {
                "status": int(answer.line),
                "headers": [list(header) for header in told.headers],
                "body": Kept(told.body, answer.body.size, answer.body.cut).to_json(),
                "redacted": list(told.removed),
            }
        return json.dumps(record, ensure_ascii=False) + "\n"


def message(line: str, headers: Iterable[tuple[bytes, bytes]], body: Callable[[str], Kept]) -> Message:
    """From what a server and a client hold. Bodies are kept decoded, and their headers say so."""
    texts = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
    kept = body(value_of(texts, "content-encoding"))
    return Message(
        line, tuple(header for header in texts if header[0] not in ("content-encoding", "content-length")), kept
    )
