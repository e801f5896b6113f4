"""What processes print: kept line by line in a file that cannot grow without bound, and followed live."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

MAX_LINE_BYTES = 16 * 1024
MAX_FOLLOWER_LINES = 10_000


@dataclass(frozen=True)
class LogLine:
    """`instance` names the replica that printed it."""

    timestamp: str
    instance: str
    text: str


def _now() -> datetime:
    return datetime.now(UTC)


class RotatingLog:
    """Two files at most, the current one and the one before, each up to `max_bytes`."""

    def __init__(self, path: Path, *, max_bytes: int = 8 * 1024 * 1024, clock: Callable[[], datetime] = _now) -> None:
        self.path = path
        self._before = path.with_name(f"{path.name}.1")
        self._max_bytes = max_bytes
        self._clock = clock
        self._file: TextIO | None = None
        self._size = 0
        self._followers: set[asyncio.Queue[LogLine | None]] = set()

    def write(self, instance: str, text: str) -> None:
        line = LogLine(self._clock().isoformat().replace("+00:00", "Z"), instance, text)
        record = f"{line.timestamp} {line.instance} {line.text}\n"
        try:
            self._keep(record)
        except OSError:
            # Whoever prints must not stand still for a disk that is full: the line goes to those who follow only.
            self.close()
        for follower in self._followers:
            if not follower.full():
                follower.put_nowait(line)

    def tail(self, count: int | None = None) -> list[LogLine]:
        """The last lines, oldest first."""
        lines: deque[str] = deque(maxlen=count)
        for path in (self._before, self.path):
            if path.exists():
                with path.open(encoding="utf-8", errors="replace") as file:
                    lines.extend(file)
        return [_parsed(line) for line in lines]

    async def follow(self, count: int | None = None) -> AsyncGenerator[LogLine, None]:
        """The last lines, then every new one. Whoever reads too slowly misses lines."""
        queue: asyncio.Queue[LogLine | None] = asyncio.Queue(MAX_FOLLOWER_LINES)
        self._followers.add(queue)
        try:
            for line in self.tail(count):
                yield line
            while (line_or_end := await queue.get()) is not None:
                yield line_or_end
        finally:
            self._followers.discard(queue)

    def end_followers(self) -> None:
        for follower in self._followers:
            if follower.full():
                follower.get_nowait()
            follower.put_nowait(None)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _keep(self, record: str) -> None:
        self._opened().write(record)
        self._size += len(record.encode(errors="replace"))
        if self._size > self._max_bytes:
            self._rotate()

    def _opened(self) -> TextIO:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8", errors="replace", buffering=1)
            self._size = self.path.stat().st_size
        return self._file

    def _rotate(self) -> None:
        self.close()
        self.path.replace(self._before)
        self._size = 0


def _parsed(record: str) -> LogLine:
    timestamp, _, rest = record.rstrip("\n").partition(" ")
    instance, _, text = rest.partition(" ")
    return LogLine(timestamp, instance, text)


class LineSplitter:
    """Cuts a byte stream into lines; a line without end is cut at `MAX_LINE_BYTES`."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = [piece for line in whole for piece in _cut(line)]
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace").rstrip("\r") for line in lines]

    def flush(self) -> list[str]:
        return self.feed(b"\n") if self._rest else []


def _cut(line: bytes) -> list[bytes]:
    return [line[at : at + MAX_LINE_BYTES] for at in range(0, max(len(line), 1), MAX_LINE_BYTES)]
