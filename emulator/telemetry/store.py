"""Spans on disk, whole traces at a time, bounded by age and size: SQLite, one writer, readers from other processes.

The writer belongs to one thread. What was written is there after a restart; what the last moment before a crash of the
machine wrote may not be.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from emulator.telemetry.bounds import Bounds
from observe.received import Span
from shared.errors import Conflict

TRIM_EVERY_S: Final = 5.0
# Those that a full trace still takes: its root ends last, and says what became of all the others.
ROOTS: Final = 10
_PRAGMAS: Final = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA journal_size_limit = 8388608;
"""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS traces (
    trace_id TEXT PRIMARY KEY, job_id TEXT, url TEXT, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
    spans INTEGER NOT NULL, received_s REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS traces_by_job ON traces (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS traces_by_url ON traces (url, last_ns) WHERE url IS NOT NULL;
CREATE INDEX IF NOT EXISTS traces_by_age ON traces (received_s);
CREATE TABLE IF NOT EXISTS spans (
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, name TEXT NOT NULL, kind TEXT NOT NULL,
    service TEXT NOT NULL, instance TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    failed INTEGER NOT NULL, message TEXT NOT NULL, attributes TEXT NOT NULL, links TEXT NOT NULL,
    PRIMARY KEY (trace_id, span_id)
) WITHOUT ROWID;
"""
# A span that comes twice, because its sender got no answer, is the same one.
_INSERT: Final = "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NOTE: Final = """
INSERT INTO traces VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (trace_id) DO UPDATE SET
    job_id = coalesce(job_id, excluded.job_id), url = coalesce(url, excluded.url),
    first_ns = min(first_ns, excluded.first_ns), last_ns = max(last_ns, excluded.last_ns),
    spans = spans + excluded.spans, received_s = excluded.received_s
"""


class SpanStore:
    """Blocks: use it from a thread of its own, always the same one."""

    def __init__(self, database: sqlite3.Connection, bounds: Bounds) -> None:
        self._database = database
        self._bounds = bounds
        self._trimmed_s = 0.0

    @classmethod
    def open(cls, path: Path, bounds: Bounds) -> "SpanStore":
        """A file that is damaged is put aside: what was seen yesterday is not worth a platform that does not start.

        Raises `Conflict` when the file cannot be used for another reason.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return cls(_writable(path), bounds)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise Conflict("traces_unusable", f"{path} cannot be used: {error}") from error
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.replace(path.with_name(f"{path.name}.damaged"))
            return cls(_writable(path), bounds)

    def add(self, spans: Sequence[Span], now_s: float) -> int:
        """In one transaction. How many were not kept, because their traces are full."""
        wanted = self._with_room(spans)
        fresh: Counter[str] = Counter()
        with self._database:
            for span in wanted:
                fresh[span.trace_id] += self._put(span)
            self._database.executemany(_NOTE, _notes(wanted, fresh, now_s))
        if abs(now_s - self._trimmed_s) >= TRIM_EVERY_S:  # a clock may be set back
            self._trimmed_s = now_s
            self.trim(now_s)
        return len(spans) - len(wanted)

    def trim(self, now_s: float) -> None:
        with self._database:
            self._remove("SELECT trace_id FROM traces WHERE received_s < ?", now_s - self._bounds.age_s)
        while self.size_bytes > self._bounds.size_bytes and (held := self._held()):
            with self._database:
                self._remove("SELECT trace_id FROM traces ORDER BY received_s LIMIT ?", max(1, held // 20))
        self._database.execute("PRAGMA incremental_vacuum").fetchall()

    @property
    def size_bytes(self) -> int:
        """Without what has been freed."""
        page, pages, free = (self._number(f"PRAGMA {name}") for name in ("page_size", "page_count", "freelist_count"))
        return page * (pages - free)

    def close(self) -> None:
        self._database.close()

    def _put(self, span: Span) -> int:
        """1 for one that was not there yet."""
        return self._database.execute(_INSERT, _row(span)).rowcount

    def _with_room(self, spans: Sequence[Span]) -> list[Span]:
        held = {trace_id: self._spans_of(trace_id) for trace_id in {span.trace_id for span in spans}}
        wanted = []
        for span in spans:
            room = self._bounds.spans_a_trace + (ROOTS if span.parent_id is None else 0)
            if held[span.trace_id] < room:
                held[span.trace_id] += 1
                wanted.append(span)
        return wanted

    def _spans_of(self, trace_id: str) -> int:
        row = self._database.execute("SELECT spans FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
        return int(row[0]) if row else 0

    def _remove(self, chosen: str, value: float) -> None:
        self._database.execute(f"DELETE FROM spans WHERE trace_id IN ({chosen})", (value,))  # noqa: S608 - ours
        self._database.execute(f"DELETE FROM traces WHERE trace_id IN ({chosen})", (value,))  # noqa: S608 - ours

    def _held(self) -> int:
        return self._number("SELECT count(*) FROM traces")

    def _number(self, sql: str) -> int:
        return int(self._database.execute(sql).fetchone()[0])


def _writable(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, timeout=5)
    try:
        path.chmod(0o600)
        database.executescript(_PRAGMAS)
        database.executescript(_SCHEMA)
    except BaseException:
        with suppress(sqlite3.Error):
            database.close()
        raise
    return database


def _row(span: Span) -> tuple[object, ...]:
    return (
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.name,
        span.kind,
        span.service,
        span.instance,
        span.start_ns,
        span.end_ns,
        span.failed,
        span.message,
        json.dumps(span.attributes, separators=(",", ":")),
        json.dumps([[link.trace_id, link.span_id] for link in span.links]),
    )


def _notes(spans: Iterable[Span], fresh: Counter[str], now_s: float) -> list[tuple[object, ...]]:
    """A row for each trace that gained spans."""
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    return [
        (
            trace_id,
            _said(members, "job.id"),
            _said(members, "job.url"),
            min(span.start_ns for span in members),
            max(span.end_ns for span in members),
            fresh[trace_id],
            now_s,
        )
        for trace_id, members in traces.items()
    ]


def _said(spans: Iterable[Span], attribute: str) -> str | None:
    return next((str(found) for span in spans if (found := span.attributes.get(attribute))), None)
