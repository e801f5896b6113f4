"""Accepted events on disk until every Trigger that wants them is done: SQLite, one writer thread, group commit.

`synchronous=FULL`: 202 promises that a power loss does not lose the event; the cost is one fsync for all events that
wait at that moment. Marks of done deliveries ride along, or are written shortly after;
losing them means delivering again.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from emulator.broker.event import Event
from shared.errors import Conflict

_MARKS_DELAY_S = 0.05
_RETRY_DELAY_S = 1.0
_WORTH_SHRINKING_PAGES = 1024
_SETUP = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA journal_size_limit = 16777216;
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, broker TEXT NOT NULL,
    attributes TEXT NOT NULL, passed TEXT NOT NULL, body BLOB NOT NULL, owed TEXT NOT NULL
);
"""
_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """An event and the names of the Triggers that it is still owed to."""

    key: int
    namespace: str
    broker: str
    event: Event
    owed: frozenset[str]


@dataclass(slots=True)
class _Batch:
    inserts: list[tuple[object, ...]] = field(default_factory=list)
    updates: dict[int, str] = field(default_factory=dict)
    deletes: set[int] = field(default_factory=set)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.inserts or self.updates or self.deletes)


class Journal:
    """Lives on one event loop. `add` returns once the event is on disk; `done` never waits."""

    def __init__(self, database: sqlite3.Connection, writer: ThreadPoolExecutor, last_key: int) -> None:
        self._database = database
        self._writer = writer
        self._last_key = last_key
        self._owed: dict[int, set[str]] = {}
        self._batch = _Batch()
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False

    @classmethod
    async def open(cls, path: Path) -> tuple["Journal", list[Stored]]:
        """The journal, and what an earlier process left undelivered, oldest first. `Conflict`: it is in use."""
        writer = ThreadPoolExecutor(1, thread_name_prefix="broker-journal")
        try:
            database, left = await asyncio.get_running_loop().run_in_executor(writer, _open, path)
        except sqlite3.DatabaseError as error:
            writer.shutdown(wait=False)
            raise Conflict("broker_journal", f"{path} cannot be used: {error}") from error
        journal = cls(database, writer, left[-1].key if left else 0)
        journal._owed = {stored.key: set(stored.owed) for stored in left}
        return journal, left

    async def add(self, namespace: str, broker: str, event: Event, owed: Iterable[str]) -> int:
        """Raises `OSError` or `sqlite3.Error` when the event could not be stored."""
        self._last_key += 1
        key = self._last_key
        names = set(owed)
        row = (
            key,
            namespace,
            broker,
            json.dumps(event.attributes),
            json.dumps(event.passed),
            event.body,
            _names(names),
        )
        self._batch.inserts.append(row)
        stored = asyncio.get_running_loop().create_future()
        self._batch.waiting.append(stored)
        self._write_soon()
        try:
            await stored
        except asyncio.CancelledError:
            self._batch.deletes.add(key)
            raise
        self._owed[key] = names
        return key

    def done(self, key: int, trigger: str) -> None:
        left = self._owed[key]
        left.discard(trigger)
        if left:
            self._batch.updates[key] = _names(left)
        else:
            del self._owed[key]
            self._batch.updates.pop(key, None)
            self._batch.deletes.add(key)
        self._write_later(_MARKS_DELAY_S)

    def depth(self) -> int:
        return len(self._owed)

    async def flush(self) -> None:
        """Writes what there is to write; gives up at the first failure."""
        self._failing = False
        while (self._writing or self._batch) and not self._failing:
            self._write_soon()
            if self._writing:
                await asyncio.wait([self._writing])

    async def close(self) -> None:
        await self.flush()
        if self._timer:
            self._timer.cancel()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._database.close)
        self._writer.shutdown(wait=False)

    def _write_later(self, delay_s: float) -> None:
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._write_soon)

    def _write_soon(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._writing is None and self._batch:
            self._writing = asyncio.get_running_loop().create_task(self._write_all(), name="broker journal writer")

    async def _write_all(self) -> None:
        """Events that come while a batch is written make up the next one; marks alone can wait."""
        self._failing = False
        try:
            await self._write_batch()
            while self._batch.waiting and not self._failing:
                await self._write_batch()
        finally:
            self._writing = None
            if self._batch:
                self._write_later(_RETRY_DELAY_S if self._failing else _MARKS_DELAY_S)

    async def _write_batch(self) -> None:
        batch, self._batch = self._batch, _Batch()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writer, _write, self._database, batch, not self._owed)
        except (sqlite3.Error, OSError) as error:
            self._failed(batch, error)
            return
        for stored in batch.waiting:
            if not stored.done():
                stored.set_result(None)

    def _failed(self, batch: _Batch, error: Exception) -> None:
        """Nothing of the batch is on disk: producers are told, marks wait for better times."""
        _log.error("the broker could not write its journal", extra={"error": str(error)})
        for stored in batch.waiting:
            if not stored.done():
                stored.set_exception(error)
        self._failing = True
        self._batch.deletes |= batch.deletes
        self._batch.updates = {k: v for k, v in batch.updates.items() if k in self._owed} | self._batch.updates


def _names(owed: Iterable[str]) -> str:
    return json.dumps(sorted(owed))


def _open(path: Path) -> tuple[sqlite3.Connection, list[Stored]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        database.executescript(_SETUP)
        return database, [_stored(row) for row in database.execute("SELECT * FROM events ORDER BY id")]
    except BaseException:
        database.close()
        raise


def _stored(row: Sequence[str]) -> Stored:
    key, namespace, broker, attributes, passed, body, owed = row
    headers = tuple((name, value) for name, value in json.loads(passed))
    event = Event(json.loads(attributes), bytes(body), headers)  # type: ignore[arg-type]
    return Stored(int(key), namespace, broker, event, frozenset(json.loads(owed)))


def _write(database: sqlite3.Connection, batch: _Batch, idle: bool) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        database.executemany(_INSERT, batch.inserts)
        database.executemany("UPDATE events SET owed = ? WHERE id = ?", [(v, k) for k, v in batch.updates.items()])
        database.executemany("DELETE FROM events WHERE id = ?", [(key,) for key in batch.deletes])
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    if idle and database.execute("PRAGMA freelist_count").fetchone()[0] > _WORTH_SHRINKING_PAGES:
        database.executescript("PRAGMA incremental_vacuum(16384)")  # execute would take one step, which is one page
