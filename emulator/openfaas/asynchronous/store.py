"""Asynchronous calls on disk, from their submission until well after their end: SQLite, one writer, group commit."""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.errors import Conflict

KEPT = 1000
TRIM_EVERY = 100
_SETUP = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA journal_size_limit = 16777216;
CREATE TABLE IF NOT EXISTS calls (
    key INTEGER PRIMARY KEY, call_id TEXT NOT NULL, function TEXT NOT NULL, target TEXT NOT NULL,
    headers TEXT NOT NULL, body BLOB NOT NULL, callback TEXT, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    submitted_s REAL NOT NULL, started_s REAL, ended_s REAL,
    status INTEGER, answer_headers TEXT, answer BLOB, callback_outcome TEXT
);
CREATE INDEX IF NOT EXISTS calls_by_id ON calls (call_id);
CREATE INDEX IF NOT EXISTS calls_by_end ON calls (state, ended_s);
"""
_COLUMNS = """key, call_id, function, target, headers, body, callback, state, attempts,
    submitted_s, started_s, ended_s, status, answer_headers, answer, callback_outcome"""
_INSERT = """INSERT INTO calls (key, call_id, function, target, headers, body, callback, state, submitted_s)
    VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', ?)"""
_OVER = "('completed', 'cancelled')"
_TRIM = f"""DELETE FROM calls WHERE state IN {_OVER} AND key NOT IN
    (SELECT key FROM calls WHERE state IN {_OVER} ORDER BY ended_s DESC LIMIT ?)"""  # noqa: S608

State = Literal["queued", "running", "answered", "completed", "cancelled"]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Submission:
    """`function` is as the caller wrote it; `target` the path and query that the function sees."""

    call_id: str
    function: str
    target: str
    headers: Headers
    body: bytes
    callback: str | None
    submitted_s: float


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True)
class StoredCall:
    """`answered`: the function is done, its answer still has to go to the callback."""

    key: int
    submission: Submission
    state: State
    attempts: int
    started_s: float | None
    ended_s: float | None
    answer: Answer | None
    callback_outcome: str | None


class CallStore:
    """Lives on one event loop. What a method changes is on disk when it returns."""

    def __init__(self, database: sqlite3.Connection, writer: ThreadPoolExecutor, last_key: int) -> None:
        self._database = database
        self._writer = writer
        self._last_key = last_key
        self._batch: list[tuple[str, Sequence[object], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._completed = 0

    @classmethod
    async def open(cls, path: Path) -> tuple["CallStore", list[tuple[int, str]]]:
        """The store, and key and function of what an earlier process left unfinished, oldest first."""
        writer = ThreadPoolExecutor(1, thread_name_prefix="async-calls")
        try:
            database, last_key, left = await asyncio.get_running_loop().run_in_executor(writer, _open, path)
        except sqlite3.DatabaseError as error:
            writer.shutdown(wait=False)
            raise Conflict("async_calls", f"{path} cannot be used: {error}") from error
        return cls(database, writer, last_key), left

    async def add(self, call: Submission) -> int:
        """Raises `sqlite3.Error` when it could not be stored."""
        self._last_key += 1
        key, headers = self._last_key, json.dumps(call.headers)
        row = (key, call.call_id, call.function, call.target, headers, call.body, call.callback, call.submitted_s)
        await self._write(_INSERT, row)
        return key

    async def started(self, key: int, now_s: float) -> None:
        await self._change("state = 'running', attempts = attempts + 1, started_s = ?", (now_s,), key)

    async def postponed(self, key: int) -> None:
        """It is to be made once more."""
        await self._change("state = 'queued'", (), key)

    async def cancelled(self, key: int, now_s: float) -> None:
        """Whatever is written of it later is not."""
        await self._change("state = 'cancelled', ended_s = ?, body = x''", (now_s,), key)
        await self._trim(True)

    async def answered(self, key: int, answer: Answer, now_s: float, *, final: bool) -> None:
        """The body of the request is not needed any longer."""
        state, headers = "completed" if final else "answered", json.dumps(answer.headers)
        columns = "state = ?, ended_s = ?, status = ?, answer_headers = ?, answer = ?, body = x''"
        await self._change(columns, (state, now_s, answer.status, headers, answer.body), key)
        await self._trim(final)

    async def called_back(self, key: int, outcome: str) -> None:
        await self._change("state = 'completed', callback_outcome = ?", (outcome,), key)
        await self._trim(True)

    async def load(self, key: int) -> StoredCall | None:
        return await self._read("key = ?", key)

    async def find(self, call_id: str) -> StoredCall | None:
        """The last one, should callers have used an id twice."""
        return await self._read("call_id = ? ORDER BY key DESC LIMIT 1", call_id)

    async def close(self) -> None:
        while self._writing is not None:
            await asyncio.wait([self._writing])
        await asyncio.get_running_loop().run_in_executor(self._writer, self._database.close)
        self._writer.shutdown(wait=False)

    async def _change(self, columns: str, values: Sequence[object], key: int) -> None:
        sql = f"UPDATE calls SET {columns} WHERE key = ? AND state <> 'cancelled'"  # noqa: S608 - the columns are ours
        await self._write(sql, (*values, key))

    async def _trim(self, ended: bool) -> None:
        self._completed += ended
        if self._completed >= TRIM_EVERY:
            self._completed = 0
            await self._write(_TRIM, (KEPT,))

    async def _read(self, condition: str, value: object) -> StoredCall | None:
        sql = f"SELECT {_COLUMNS} FROM calls WHERE {condition}"  # noqa: S608 - the conditions are ours
        loop = asyncio.get_running_loop()
        row = await loop.run_in_executor(self._writer, lambda: self._database.execute(sql, (value,)).fetchone())
        return None if row is None else _stored(row)

    async def _write(self, sql: str, values: Sequence[object]) -> None:
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._batch.append((sql, values, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="async calls writer")
        await asyncio.shield(written)

    async def _write_all(self) -> None:
        """What comes while a batch is written makes up the next one."""
        loop = asyncio.get_running_loop()
        try:
            while self._batch:
                batch, self._batch = self._batch, []
                error = await loop.run_in_executor(self._writer, _commit, self._database, batch)
                for _, _, written in batch:
                    if error is None:
                        written.set_result(None)
                    else:
                        written.set_exception(error)
        finally:
            self._writing = None


def _open(path: Path) -> tuple[sqlite3.Connection, int, list[tuple[int, str]]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        database.executescript(_SETUP)
        last = database.execute("SELECT coalesce(max(key), 0) FROM calls").fetchone()[0]
        sql = f"SELECT key, function FROM calls WHERE state NOT IN {_OVER} ORDER BY key"  # noqa: S608
        left = database.execute(sql).fetchall()
    except BaseException:
        database.close()
        raise
    return database, last, left


def _commit(
    database: sqlite3.Connection, batch: Sequence[tuple[str, Sequence[object], "asyncio.Future[None]"]]
) -> sqlite3.Error | None:
    try:
        database.execute("BEGIN IMMEDIATE")
        for sql, values, _ in batch:
            database.execute(sql, values)
        database.execute("COMMIT")
    except sqlite3.Error as error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        return error
    return None


def _stored(row: Sequence[object]) -> StoredCall:
    key, call_id, function, target, headers, body, callback, state, attempts, submitted_s, *end = row
    started_s, ended_s, status, answer_headers, answer, outcome = end
    submission = Submission(
        call_id=call_id,  # type: ignore[arg-type]
        function=function,  # type: ignore[arg-type]
        target=target,  # type: ignore[arg-type]
        headers=_headers(headers),
        body=bytes(body),  # type: ignore[call-overload]
        callback=callback,  # type: ignore[arg-type]
        submitted_s=submitted_s,  # type: ignore[arg-type]
    )
    given = None if status is None else Answer(status, _headers(answer_headers), bytes(answer))  # type: ignore[arg-type,call-overload]
    return StoredCall(key, submission, state, attempts, started_s, ended_s, given, outcome)  # type: ignore[arg-type]


def _headers(text: object) -> Headers:
    return tuple((name, value) for name, value in json.loads(str(text)))
