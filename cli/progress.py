"""How a job looks while it runs: a live line on a terminal, a line now and then elsewhere."""

import shutil
import time
from collections.abc import Callable, Mapping
from typing import IO, Protocol

from cli.api import Body
from cli.text import clean, plural, seconds, shorten

OPEN = ("pending", "scraping", "chunking", "embedding")
ENDED = ("indexed", "unchanged", "failed", "cancelled")
SHOW_EVERY_PAGE_UP_TO = 200  # beyond it only failures get a line of their own, and of those no more than this
MARKS = {"indexed": "+", "unchanged": "=", "failed": "x", "cancelled": "-"}
REWRITE = "\r\x1b[K"

Documents = Callable[[str | None], list[Body]]


class Watcher(Protocol):
    """Is told of every change, at least every `refresh_s`; may ask for the job's documents in one state."""

    refresh_s: int

    def progress(self, job: Body, documents: Documents) -> None: ...

    def close(self) -> None: ...


def watcher(stream: IO[str], *, quiet: bool) -> Watcher:
    if quiet:
        return Silent()
    return Terminal(stream) if stream.isatty() else Sparse(stream, time.monotonic)


class Silent:
    """For programs that only want the result."""

    refresh_s = 10

    def progress(self, job: Body, documents: Documents) -> None: ...

    def close(self) -> None: ...


class Sparse:
    """A line when something moved, at most one in five seconds, and one at the end."""

    refresh_s = 10

    def __init__(self, stream: IO[str], clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._last = ""
        self._next_at = 0.0
        self._pages = EndedPages()

    def progress(self, job: Body, documents: Documents) -> None:
        line = summary(job)
        final = ended(job["counts"]) >= job["documents"]
        if line == self._last or (self._clock() < self._next_at and not final):
            return
        self._last, self._next_at = line, self._clock() + 5
        for document in self._pages.new(job, documents, only_failed=True):
            print(page_line(document, 1000), file=self._stream)
        print(line, file=self._stream, flush=True)

    def close(self) -> None: ...


class Terminal:
    """Ended pages scroll by above one line that is written over and over."""

    refresh_s = 1

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._pages = EndedPages()

    def progress(self, job: Body, documents: Documents) -> None:
        width = shutil.get_terminal_size().columns - 1
        only_failed = job["documents"] > SHOW_EVERY_PAGE_UP_TO
        for document in self._pages.new(job, documents, only_failed=only_failed):
            self._stream.write(f"{REWRITE}{page_line(document, width)}\n")
        line = f"{seconds(job['seconds']):>8}  {bar(job, 20)} {summary(job)}"
        self._stream.write(REWRITE + line[:width])
        self._stream.flush()

    def close(self) -> None:
        self._stream.write(REWRITE)
        self._stream.flush()


class EndedPages:
    """Tells each page's end once. It asks for a state's pages only when that state's count moved."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._counts: dict[str, int] = {}

    def new(self, job: Body, documents: Documents, *, only_failed: bool) -> list[Body]:
        counts: Mapping[str, int] = job["counts"]
        moved = [
            state
            for state in (("failed",) if only_failed else ENDED)
            if self._counts.get(state, 0) != counts.get(state, 0) <= SHOW_EVERY_PAGE_UP_TO
        ]
        fresh = [one for state in moved for one in documents(state) if one["document_id"] not in self._told]
        self._told.update(one["document_id"] for one in fresh)
        self._counts = dict(counts)
        return fresh


def ended(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in ENDED)


def bar(job: Body, width: int) -> str:
    full: int = width * ended(job["counts"]) // max(1, job["documents"])
    return "[" + "#" * full + "." * (width - full) + "]"


def summary(job: Body) -> str:
    """`12 of 40 pages: 3 pending, 2 scraping, 11 indexed, 1 failed`."""
    counts = job["counts"]
    states: str = ", ".join(f"{counts[state]:,} {state}" for state in (*OPEN, *ENDED) if counts.get(state))
    return f"{ended(counts):,} of {plural(job['documents'], 'page')}: {states or job['status']}"


def page_line(document: Body, width: int) -> str:
    """One page's end in one line."""
    line = f"{MARKS.get(document['status'], ' ')} {document['status']:<9} {clean(document['url'])}"
    if document["error_code"]:
        line += f"  {document['error_code']}: {clean(document['error_message'] or '')}"
    elif document["chunks"]:
        line += f"  ({plural(document['chunks'], 'chunk')})"
    return shorten(line, width)
