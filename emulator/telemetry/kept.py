"""The traces that a laptop has kept, for whoever wants to look: also while they are written, and after."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from emulator.telemetry.bounds import TRACES_FILE
from observe.received import Link, Span
from shared.errors import Conflict

_SPANS: Final = """
SELECT trace_id, span_id, parent_id, name, kind, service, instance, start_ns, end_ns, failed, message, attributes, links
FROM spans WHERE trace_id = ? ORDER BY start_ns, end_ns DESC, span_id LIMIT ?
"""
_TOOK: Final = """
coalesce((
    SELECT max(end_ns - start_ns) FROM spans
    WHERE spans.trace_id = traces.trace_id AND name = 'document' AND parent_id IS NULL
), last_ns - first_ns)
"""
_KEPT: Final = "SELECT trace_id, job_id, url, first_ns, last_ns, spans FROM traces"


@dataclass(frozen=True, slots=True)
class KeptTrace:
    """`job_id` and `url` are what its spans say in `job.id` and `job.url`, if they do."""

    trace_id: str
    job_id: str | None
    url: str | None
    first_ns: int
    last_ns: int
    spans: int


class KeptTraces:
    """What a store holds, while it is written or after: `with KeptTraces.of(data_dir) as kept`.

    All that is read inside is of one moment. A file that cannot be read ends it with `Conflict`.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database

    @classmethod
    def of(cls, data_dir: Path) -> "KeptTraces | None":
        """None where nothing was ever kept."""
        path = data_dir / TRACES_FILE
        if not path.exists():
            return None
        try:
            database = sqlite3.connect(path, timeout=5)
            database.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        return cls(path, database)

    def __enter__(self) -> Self:
        self._database.execute("BEGIN")
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        self._database.close()
        if isinstance(error, sqlite3.Error):
            raise _unreadable(self._path, error) from error

    def find(self, trace_id: str) -> KeptTrace | None:
        row = self._database.execute(f"{_KEPT} WHERE trace_id = ?", (trace_id,)).fetchone()
        return KeptTrace(*row) if row else None

    def of_job(self, job_id: str, limit: int) -> list[KeptTrace]:
        """Its pages, the one that took longest first: to its end, not to that of a wake-up that went on for others."""
        sql = f"{_KEPT} WHERE job_id = ? AND url IS NOT NULL ORDER BY {_TOOK} DESC LIMIT ?"
        return [KeptTrace(*row) for row in self._database.execute(sql, (job_id, limit))]

    def submission(self, job_id: str) -> KeptTrace | None:
        """The request that handed it in: the first that knows of the job, and of no page."""
        sql = f"{_KEPT} WHERE job_id = ? AND url IS NULL ORDER BY first_ns LIMIT 1"
        row = self._database.execute(sql, (job_id,)).fetchone()
        return KeptTrace(*row) if row else None

    def pages(self, job_id: str) -> int:
        sql = "SELECT count(*) FROM traces WHERE job_id = ? AND url IS NOT NULL"
        return int(self._database.execute(sql, (job_id,)).fetchone()[0])

    def of_url(self, url: str, limit: int) -> list[KeptTrace]:
        """The newest first."""
        sql = f"{_KEPT} WHERE url = ? ORDER BY last_ns DESC LIMIT ?"
        return [KeptTrace(*row) for row in self._database.execute(sql, (url, limit))]

    def spans(self, trace_id: str, limit: int = 5_000) -> list[Span]:
        """In the order of their beginning."""
        return [_span(row) for row in self._database.execute(_SPANS, (trace_id, limit))]

    def count(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM traces").fetchone()[0])

    def since_ns(self) -> int | None:
        """When the oldest trace that is kept began."""
        row = self._database.execute("SELECT min(first_ns) FROM traces").fetchone()
        return None if row[0] is None else int(row[0])


def _unreadable(path: Path, error: sqlite3.Error) -> Conflict:
    advice = "`sluice up --observe` puts a damaged file aside"
    return Conflict("traces_unusable", f"{path} cannot be read: {error}; {advice}")


def _span(row: Sequence[object]) -> Span:
    *plain, start_ns, end_ns, failed, message, attributes, links = row
    trace_id, span_id, parent_id, name, kind, service, instance = plain
    return Span(
        trace_id=str(trace_id),
        span_id=str(span_id),
        parent_id=None if parent_id is None else str(parent_id),
        name=str(name),
        kind=str(kind),
        service=str(service),
        instance=str(instance),
        start_ns=int(start_ns),  # type: ignore[call-overload]
        end_ns=int(end_ns),  # type: ignore[call-overload]
        failed=bool(failed),
        message=str(message),
        attributes=json.loads(str(attributes)),
        links=tuple(Link(*pair) for pair in json.loads(str(links))),
    )
