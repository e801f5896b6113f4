"""The parser process: `python -m functions.scrape.parser --socket-fd N`. It holds no secrets and may die any time.

A parent imports everything once and forks a child for each connection. The kernel ends a child that takes too long,
also in the middle of a C function; one that wants too much memory gets none. Whoever waits sees the connection close.
"""

import argparse
import contextlib
import logging
import os
import resource
import select
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import BinaryIO

from functions.scrape import sitemaps
from functions.scrape.body import decode, unpack
from functions.scrape.confinement import confine
from functions.scrape.frames import LENGTHS, Page, Text, answer_frame, read_page
from functions.scrape.sitemaps import Sitemap
from functions.scrape.sniffing import check_text
from shared.errors import Permanent, StageFailure
from shared.parent_death import die_with
from shared.tally import Tally, counting, current

PAGE_CPU_S = 20.0
MEMORY_BYTES = 2 * 1024 * 1024 * 1024
STACK_DEPTH = 3000

# Exercises every path of the extraction, so that what it loads lazily is loaded before the first fork.
SAMPLE = (
    "<html><head><title>Warm</title></head><body><main><p>A first page.</p><table><tr><td>1</td></tr></table></main>"
)


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--socket-fd", type=int, required=True)
    options.add_argument("--page-cpu-s", type=float, default=PAGE_CPU_S)
    options.add_argument("--memory-bytes", type=int, default=MEMORY_BYTES)
    given = options.parse_args(arguments)
    listener = socket.socket(fileno=given.socket_fd)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(os.getppid(), signal.SIGTERM)
    try:
        logging.disable(logging.CRITICAL)
        _warm_up()
        _accept(listener, given.page_cpu_s, given.memory_bytes)
    finally:
        # Whoever made the folder may have been killed.
        shutil.rmtree(Path(listener.getsockname()).parent, ignore_errors=True)
    return 0


def read(page: Page) -> Text:
    """A page's text and what it says of itself. Raises `StageFailure`."""
    from functions.scrape.extraction import from_html, from_text  # noqa: PLC0415

    body = unpack(page.body, page.content_encoding)
    current().decoded_bytes += len(body)
    text = decode(body, page.content_type)
    check_text(body, text)
    try:
        return from_html(text, page.url, page.agent) if page.form == "html" else from_text(text)
    except (MemoryError, RecursionError):
        raise Permanent("page_too_complex", "the page is too deeply nested or too complex to read") from None


def read_sitemap(page: Page) -> Sitemap:
    """Raises `StageFailure`."""
    body = unpack(page.body, page.content_encoding, sitemaps.MAX_BYTES)
    current().decoded_bytes += len(body)
    return sitemaps.parse(body)


def _warm_up() -> None:
    with contextlib.suppress(StageFailure):
        read(Page("http://example.com/", "html", "text/html; charset=utf-8", None, SAMPLE.encode()))
    from functions.scrape.metadata import detect_language  # noqa: PLC0415

    detect_language(SAMPLE)


def _accept(listener: socket.socket, cpu_s: float, memory_bytes: int) -> None:
    """Until standard input closes: whoever started us holds its other end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener.fileno(), 0], [], [])
        if 0 in ready and not os.read(0, 1):
            return
        if listener.fileno() in ready:
            connection, _ = listener.accept()
            parent = os.getpid()
            if os.fork() == 0:
                listener.close()
                _serve(connection, parent, cpu_s, memory_bytes)
            connection.close()


def _serve(connection: socket.socket, parent: int, cpu_s: float, memory_bytes: int) -> None:
    """The child's whole life."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        die_with(parent, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        confine()
        sys.setrecursionlimit(STACK_DEPTH)
        with connection, connection.makefile("rb") as stream:
            while lengths := stream.read(LENGTHS.size):
                connection.sendall(_answer(stream, lengths, cpu_s))
        status = 0
    except Exception as exc:
        sys.stderr.write(f"parser child ended: {type(exc).__name__}\n")
    finally:
        os._exit(status)


def _answer(stream: BinaryIO, lengths: bytes, cpu_s: float) -> bytes:
    head_size, body_size = LENGTHS.unpack(lengths)
    page = read_page(stream.read(head_size), stream.read(body_size))
    # The default action of both signals ends the process, wherever it is. The clock is a backstop to processor time.
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, 3 * cpu_s)
    tally, began = Tally(), time.process_time()
    answer: Text | Sitemap | StageFailure
    try:
        with counting(tally):
            answer = read_sitemap(page) if page.form == "sitemap" else read(page)
    except StageFailure as exc:
        answer = exc
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    tally.cpu_s = time.process_time() - began
    return answer_frame(answer, tally)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
