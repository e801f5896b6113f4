"""`sluice extract`: the main text of a file or a page, or of many files at once on all cores. Needs no platform."""

import argparse
import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from cli.failure import CommandFailed
from cli.text import json_line
from functions.scrape.alone import scraper_alone
from functions.scrape.body import MAX_BYTES, too_large
from functions.scrape.core import Form
from functions.scrape.frames import Page, Text
from functions.scrape.parsing import Parser, parser_process
from functions.scrape.scraping import Scraped, Target
from functions.scrape.settings import FetchSettings
from shared.errors import InvalidInput, Permanent, SluiceError
from shared.settings import Environment
from shared.urls import normalise

GZIP = b"\x1f\x8b"
PLAIN_SUFFIXES = (".txt", ".md", ".txt.gz", ".md.gz")
# Lines in hand beyond those being read, so that no core waits for the next one.
AHEAD = 4


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("extract", help="by hand: the main text of a page")
    parser.add_argument("source", nargs="?", metavar="FILE|URL", help="an HTML or text file, which may be gzipped")
    parser.add_argument("--url", help="where the file came from: helps to date it")
    parser.add_argument("--json", action="store_true", help="print text, title, author, date and language as JSON")
    parser.add_argument("--jsonl", action="store_true", help='read lines {"id", "url", "file"} from standard input')


def run(args: argparse.Namespace) -> int:
    """With --jsonl a page that cannot be read says so in its own line."""
    if args.jsonl == (args.source is not None):
        raise CommandFailed("extract takes either one FILE or URL, or --jsonl", exit_code=2)
    if args.jsonl:
        asyncio.run(_many())
        return 0
    try:
        text = asyncio.run(_one(args.source, args.url))
    except InvalidInput as error:
        raise CommandFailed(error.message, exit_code=2) from error
    _show(text, as_json=args.json)
    return 0


def _show(text: Text, *, as_json: bool) -> None:
    if as_json:
        about = {"title": text.title, "author": text.author, "date": text.date, "language": text.language}
        print(json_line({"text": text.text, **about}))
    else:
        print(text.text)


async def _one(source: str, url: str | None) -> Text:
    if "://" in source:
        return await _fetched(source)
    page = _page(source, url)
    with parser_process() as path:
        parser = Parser(path, connections=1)
        try:
            return await parser.read(page)
        finally:
            parser.close()


async def _fetched(url: str) -> Text:
    """Under the same rules as a worker: robots.txt, and no private addresses unless SCRAPE_ALLOW_NETWORKS has them."""
    target = Target(normalise(url))
    async with scraper_alone(FetchSettings.read(Environment(os.environ))) as scraper:
        outcome = await scraper.scrape(target)
    if not isinstance(outcome, Scraped) or outcome.text is None:
        raise Permanent("no_text", "the page could not be read")
    return outcome.text


def _page(file: str, url: str | None) -> Page:
    try:
        with Path(file).open("rb") as stream:
            body = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        raise InvalidInput("file_unreadable", f"{file} cannot be read: {exc.strerror}", field="file") from None
    except ValueError:
        raise InvalidInput("file_unreadable", "this is not the name of a file", field="file") from None
    if len(body) > MAX_BYTES:
        raise too_large()
    form: Form = "text" if file.endswith(PLAIN_SUFFIXES) else "html"
    return Page(url, form, None, "gzip" if body.startswith(GZIP) else None, body)


async def _many() -> None:
    """Answers come in the order of the lines."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with parser_process() as path:
        parser = Parser(path, connections=cores)
        waiting: deque[asyncio.Task[dict[str, Any]]] = deque()
        try:
            async for line in _lines():
                waiting.append(asyncio.create_task(_answer(parser, line), name="extract"))
                if len(waiting) >= AHEAD * cores:
                    _write(await waiting.popleft())
            while waiting:
                _write(await waiting.popleft())
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            parser.close()


async def _lines() -> AsyncIterator[bytes]:
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        if line.strip():
            yield line


async def _answer(parser: Parser, line: bytes) -> dict[str, Any]:
    request: dict[str, Any] = {}
    try:
        request = _request(line)
        text = await parser.read(_page(request["file"], request.get("url")))
    except SluiceError as exc:
        error = {"code": exc.code, "message": exc.message}
        return {"id": request.get("id"), "text": "", "title": None, "error": error}
    return {"id": request["id"], "text": text.text, "title": text.title}


def _request(line: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        request = json.loads(line)
        if isinstance(request, dict) and isinstance(request.get("file"), str) and "id" in request:
            return request
    raise InvalidInput("line_invalid", 'a line must be {"id": …, "url": …, "file": …}')


def _write(answer: dict[str, Any]) -> None:
    sys.stdout.write(json_line(answer) + "\n")
    sys.stdout.flush()
