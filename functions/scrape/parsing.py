"""The worker's side of the parser process: starts it without secrets, hands it pages, survives its death."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from functions.scrape.frames import ANSWER, Answer, Page, Text, page_frame, sitemap_of
from functions.scrape.parser import MEMORY_BYTES, PAGE_CPU_S
from functions.scrape.sitemaps import Sitemap
from shared.errors import Interrupted, Permanent
from shared.tally import current

PAGES_PER_CHILD = 200
BACKLOG = 128
RESTART_S = 10.0
# What a parser may know of its surroundings.
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "PYTHONDONTWRITEBYTECODE")


@contextmanager
def parser_process(page_cpu_s: float = PAGE_CPU_S, memory_bytes: int = MEMORY_BYTES) -> Iterator[str]:
    """Runs one for as long as the block lasts; answers the path of its socket. It also ends when this process does."""
    folder = tempfile.mkdtemp(prefix="sluice-parser-")
    path = str(Path(folder, "socket"))
    try:
        process = _start(path, page_cpu_s, memory_bytes)
        try:
            yield path
        finally:
            process.kill()
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def living_parser(path: str | None) -> Iterator[str]:
    """The parser at `path` while it lives, else one of our own."""
    if path is not None and _answers(path):
        yield path
    else:
        with parser_process() as own:
            yield own


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _start(path: str, page_cpu_s: float, memory_bytes: int) -> "subprocess.Popen[bytes]":
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(path)
        listener.listen(BACKLOG)
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        number = listener.fileno()
        limits = [f"--page-cpu-s={page_cpu_s}", f"--memory-bytes={memory_bytes}"]
        return subprocess.Popen(
            [sys.executable, "-m", "functions.scrape.parser", f"--socket-fd={number}", *limits],
            env=environment | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            pass_fds=[number],
        )


class Parser:
    """Up to `connections` pages at once, one child each. Of one event loop; close it there."""

    def __init__(self, path: str, *, connections: int | None = None, page_cpu_s: float = PAGE_CPU_S) -> None:
        self._path = path
        self._places = asyncio.Semaphore(connections or os.cpu_count() or 1)
        self._idle: list[_Child] = []
        self._page_cpu_s = page_cpu_s

    async def read(self, page: Page) -> Text:
        """Raises `StageFailure`: the page's own, extraction_timeout, extraction_crashed or parser_unavailable."""
        return Text(**await self._read(page))

    async def read_sitemap(self, page: Page) -> Sitemap:
        """For a page of the form "sitemap". Raises as `read` does."""
        return sitemap_of(await self._read(page))

    async def _read(self, page: Page) -> dict[str, Any]:
        async with self._places:
            for last in (False, True):
                # An idle child may have died of something else before it saw the page: a fresh one decides.
                child = self._idle.pop() if self._idle and not last else await self._connect()
                started = time.monotonic()
                try:
                    return await self._ask(child, page)
                except (OSError, EOFError, TimeoutError):
                    # A child that dies takes its own count along. It had one processor, and so much of it at most.
                    current().cpu_s += min(time.monotonic() - started, self._page_cpu_s)
                    if time.monotonic() - started >= self._page_cpu_s:
                        raise Permanent("extraction_timeout", "the page takes too long to read") from None
            (await self._connect()).close()
            raise Permanent("extraction_crashed", "the page makes the parser crash")

    async def _ask(self, child: "_Child", page: Page) -> dict[str, Any]:
        try:
            async with asyncio.timeout(4 * self._page_cpu_s):
                answer = await child.ask(page_frame(page))
        except BaseException:
            child.close()
            raise
        if child.pages < PAGES_PER_CHILD:
            self._idle.append(child)
        else:
            child.close()
        tally = current()
        tally.cpu_s += answer.cpu_s
        tally.decoded_bytes += answer.decoded_bytes
        return answer.fields()

    async def _connect(self) -> "_Child":
        try:
            return _Child(*await asyncio.open_unix_connection(self._path))
        except OSError as exc:
            raise Interrupted(
                "parser_unavailable", "the parser process does not answer", retry_after_s=RESTART_S
            ) from exc

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class _Child:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.pages = 0

    async def ask(self, frame: bytes) -> Answer:
        self.pages += 1
        self._writer.write(frame)
        await self._writer.drain()
        head, body, cpu_s, decoded_bytes = ANSWER.unpack(await self._reader.readexactly(ANSWER.size))
        return Answer(await self._reader.readexactly(head), await self._reader.readexactly(body), cpu_s, decoded_bytes)

    def close(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.close()
