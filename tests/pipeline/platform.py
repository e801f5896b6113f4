"""A whole platform of a test's own: the real `sluice up` in a fresh folder, with all that is needed to look into it."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import asyncpg
import psutil

from cli import running
from cli.status import fetch
from emulator.launcher import free_port
from emulator.postgres import Postgres
from tests import postgres

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
SOON_S = 25.0
ENDED = frozenset({"completed", "completed_with_errors", "failed", "cancelled"})
SETTINGS = {"SCRAPE_ALLOW_NETWORKS": "127.0.0.0/8", "SCRAPE_DOMAIN_DELAY_SECONDS": "0"}
_UNFINISHED = """
SELECT state, token, attempt, deaths, nudges, not_before - now() AS wait, lease_until - now() AS lease, error_code
FROM documents WHERE job_id = $1 AND ended_at IS NULL"""


@asynccontextmanager
async def platform(*options: str, **settings: str) -> AsyncIterator["Platform"]:
    """Up and ready inside, with these options. Afterwards every process is gone, or this says which was not."""
    base = postgres.new_session()
    made = Platform(base / "data", free_port(set()), SETTINGS | settings, options)
    try:
        await made.up()
        yield made
    finally:
        try:
            await made.end()
        finally:
            shutil.rmtree(base, ignore_errors=True)


@dataclass
class Platform:
    """`folder` is its data directory. A guardian ends it should the test run be killed."""

    folder: Path
    port: int
    settings: Mapping[str, str]
    options: Sequence[str] = ()
    _guardians: list[int] = field(default_factory=list)
    _seen: dict[int, float] = field(default_factory=dict)

    async def up(self) -> None:
        """Again after a kill, too."""
        watched = self.folder.with_name(f"guardian-{len(self._guardians)}")
        watched.mkdir()
        environment = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self.settings}
        words = [f"{name}={value}" for name, value in environment.items()]
        command = [sys.executable, "-m", "cli.main", "up", "--data-dir", str(self.folder), "--port", str(self.port)]
        command += self.options
        log = self.folder.with_name("up.log")
        self._guardians.append(
            postgres.start_guarded(os.getpid(), watched, signal.SIGTERM, ["/usr/bin/env", *words, *command], log)
        )
        await eventually(lambda: self._answers() or self._gave_up(), 90, lambda: log.read_text()[-2000:])
        assert not self._gave_up(), log.read_text()[-2000:]

    async def down(self, signal_number: signal.Signals | None = None) -> None:
        """`sluice down`, or the signal that Ctrl-C sends."""
        self.remember()
        stopping, began = psutil.Process(self.pid), time.monotonic()
        if signal_number is not None:
            stopping.send_signal(signal_number)
            await eventually(lambda: not _works(stopping), 30, self._last_words)
        else:
            await self._sluice_down()
        assert time.monotonic() - began < SOON_S, self._last_words()

    async def _sluice_down(self) -> None:
        code, said = await self.sluice("down")
        assert code == 0, said

    async def sluice(self, command: str, *arguments: str) -> tuple[int, str]:
        """The exit code of a command about this platform, and what it said."""
        words = ("-m", "cli.main", command, "--data-dir", str(self.folder), "--port", str(self.port), *arguments)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *words),
            cwd=ROOT,
            env={**os.environ, **self.settings},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    def _last_words(self) -> str:
        logs = [self.folder.with_name("up.log"), *sorted((self.folder / "logs").glob("*.log"))]
        return "\n".join(line for log in logs for line in (log.name, *log.read_text().splitlines()[-12:]))

    async def end(self) -> None:
        """Whatever state it is in."""
        try:
            if running.read(self.folder) is not None:
                await self.down()
        finally:
            for guardian in self._guardians:
                await asyncio.to_thread(postgres.stop_guardian, guardian)
            left = self.left_behind()
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        assert not left, "processes were left behind"

    @property
    def pid(self) -> int:
        found = running.read(self.folder)
        assert found is not None, "the platform does not run"
        return found.pid

    def _answers(self) -> bool:
        return fetch(self.port, "/healthz") is not None and fetch(self.port, "/ready") is not None

    def _gave_up(self) -> bool:
        """The guardian ends with what it guards; it is our child."""
        return not _works(psutil.Process(self._guardians[-1]))

    # Its processes.

    def status(self) -> dict[str, Any]:
        answer = fetch(self.port, "/status")
        return json.loads(answer) if answer else {"functions": [], "services": {}}

    def replicas(self, function: str) -> list[psutil.Process]:
        found: dict[str, Any] = next(
            (one for one in self.status()["functions"] if one["name"] == function), {"replicas": []}
        )
        return [psutil.Process(one["pid"]) for one in found["replicas"] if psutil.pid_exists(one["pid"])]

    def service(self, name: str) -> psutil.Process:
        return psutil.Process(self.status()["services"][name]["pid"])

    def remember(self) -> None:
        """All processes there are now, so that `left_behind` knows those again that tell nobody whose they are."""
        with suppress(psutil.NoSuchProcess, AssertionError):
            family = psutil.Process(self.pid)
            for process in [family, *family.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    self._seen[process.pid] = process.create_time()

    def left_behind(self) -> list[psutil.Process]:
        ours = [process for process in psutil.process_iter() if self._is_ours(process)]
        return [process for process in ours if _works(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if self._seen.get(process.pid) == process.create_time():
                return True
            places = [process.cwd(), *process.cmdline(), *process.environ().values()]
        except psutil.Error:
            return False
        return process.pid not in (os.getpid(), *self._guardians) and any(str(self.folder) in place for place in places)

    # Its front door.

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer; an error status fails the test."""
        status, answer = await self.ask(method, path, body)
        assert status < 300, (status, answer)
        return answer

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"X-API-Key": self.api_key}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession(headers=headers) as session, session.request(method, url, json=body) as answer:
            return answer.status, await answer.json(content_type=None)

    @property
    def api_key(self) -> str:
        return (self.folder / "api-key").read_text().strip()

    async def submit(self, urls: Sequence[str], corpus: str) -> str:
        accepted = await self.call("POST", "/api/orchestrator/jobs", {"urls": list(urls), "corpus": corpus})
        return str(accepted["job_id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        """At every look the counts must add up."""
        job: dict[str, Any] = await self.call("GET", f"/api/orchestrator/jobs/{job_id}")
        _add_up(job)
        return job

    async def finish(self, job_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """Looks until it has ended. What does not answer just now may be the victim of the test: it must come back."""

        async def ended() -> dict[str, Any] | None:
            try:
                status, job = await self.ask("GET", f"/api/orchestrator/jobs/{job_id}")
            except (aiohttp.ClientError, TimeoutError, OSError):
                return None
            if status >= 500:
                return None
            assert status == 200, job
            _add_up(job)
            return job if job["status"] in ENDED else None

        try:
            found: dict[str, Any] = await eventually_async(ended, timeout_s)
        except AssertionError:
            unfinished = await self.rows(_UNFINISHED, job_id)
            raise AssertionError(f"unfinished: {[dict(row) for row in unfinished]}; {self.status()}") from None
        return found

    async def documents(self, job_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.call("GET", f"/api/orchestrator/jobs/{job_id}/documents?limit=500{cursor}")
            found += page["documents"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    async def run(self, urls: Sequence[str], corpus: str, timeout_s: float = 60) -> list[dict[str, Any]]:
        """The documents of a job, once it has ended."""
        job_id = await self.submit(urls, corpus)
        await self.finish(job_id, timeout_s)
        return await self.documents(job_id)

    async def search(self, query: str, corpus: str, k: int = 3) -> list[dict[str, Any]]:
        found = await self.call("POST", "/api/embedding/search", {"query": query, "corpus": corpus, "k": k})
        results: list[dict[str, Any]] = found["results"]
        return results

    # Its memory.

    async def rows(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        address = Postgres(self.folder / "postgres", self.folder / "run" / "sockets").url
        connection = await asyncpg.connect(address, timeout=10)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    def complaints(self) -> Iterator[str]:
        """Every line of a log that is worse than information."""
        for log in [self.folder.with_name("up.log"), *sorted((self.folder / "logs").glob("*.log"))]:
            for line in log.read_text().splitlines():
                if _complains(line):
                    yield f"{log.name}: {line}"


def _add_up(job: dict[str, Any]) -> None:
    assert sum(job["counts"].values()) == job["documents"], job
    assert min(job["counts"].values()) >= 0, job


def _complains(line: str) -> bool:
    _, _, said = line.partition("{")
    if said:
        with suppress(ValueError):
            return json.loads("{" + said)["level"] not in ("debug", "info")
    words = ("ERROR", "FATAL", "PANIC", "Traceback", "WARNING:", "Error:")
    return any(word in line for word in words)


def _works(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def eventually(
    condition: Callable[[], T], timeout_s: float, otherwise: str | Callable[[], str] = "it did not happen in time"
) -> T:
    """Polls until it is true; `otherwise` says why it did not become so."""
    return await eventually_async(lambda: asyncio.to_thread(condition), timeout_s, otherwise)


async def eventually_async(
    condition: Callable[[], Awaitable[T | None]],
    timeout_s: float,
    otherwise: str | Callable[[], str] = "it did not happen in time",
) -> T:
    until = time.monotonic() + timeout_s
    while not (found := await condition()):
        assert time.monotonic() < until, otherwise if isinstance(otherwise, str) else otherwise()
        await asyncio.sleep(0.05)
    return found
