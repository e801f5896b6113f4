"""What a page says is data: no log line, object key or row takes it for more."""

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from functions.scrape.handler import open_desk as open_function
from functions.scrape.handler import wake_workers
from functions.scrape.settings import FetchSettings, read_wake
from shared.contracts.envelope import from_event
from shared.contracts.stages import DocumentScraped, ScrapeRequested, StageFailed
from shared.events.codec import decode
from shared.events.event import CloudEvent
from shared.settings import Environment
from shared.store.store import Store
from shared.store.transitions import apply
from tests.functions.scrape.test_job import ASKED, KEY, submit, variables
from tests.local_http import asgi, closed_port, serving, until
from tests.processes import running_module

EVIL = '\'); DROP TABLE pages; -- "%s{0}$(id)\\ \n{"level": "error"}\r\x1b[31m\x00\x9b\u202e\u2028../../etc/passwd'
SEEN = "'); DROP TABLE pages; --"
KEY_SHAPE = re.compile(r"corpora/[0-9a-f-]{36}/text/[0-9a-f]{64}")
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")


def page(head: bytes = b"") -> bytes:
    said = html.escape(EVIL)
    body = (
        f'<html lang="{said}"><head><title>{said}</title><meta name=author content="{said}">'
        f'<link rel=canonical href="/{said}"></head><body><main><p>{said}</p></main></body></html>'
    ).encode()
    kind = b"" if b"content-type" in head.lower() else b"Content-Type: text/html; charset=utf-8\r\n"
    return b"HTTP/1.1 200 OK\r\n%s%sContent-Length: %d\r\n\r\n%s" % (kind, head, len(body), body)


QUOTED = b"'); DROP TABLE pages; --\xe2\x80\xae%0a"
EMPTY = b"Content-Length: 0\r\n\r\n"
ANSWERS = {
    "/said": page(),
    "/%0A%1B[31m'%22;--%E2%80%AE": page(),
    "/etag": page(b'ETag: "%s"\r\nX-Robots-Tag: %s\r\n' % (QUOTED, QUOTED)),
    "/modified": page(b"Last-Modified: %s\xff\x9b31m\r\n" % QUOTED),
    "/type": page(b'Content-Type: text/html; charset="%s"\r\n' % QUOTED),
    "/escape": page(b'ETag: "\x1b[31m"\r\n'),
    "/moved": b"HTTP/1.1 301 X\r\nLocation: http://a'\x9b.example/%s\r\n%s" % (QUOTED, EMPTY),
    "/status": b"HTTP/1.1 404 %s\r\n%s" % (QUOTED, EMPTY),
    "/garbage": b'\x1b[31m{"level": "error"}\n\n',
}


@asynccontextmanager
async def hostile_site() -> AsyncIterator[str]:
    """Sends bytes that no honest server would."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWERS.get(request.split(b" ")[1].decode(), b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def scraped(store: Store, env: dict[str, str], log: Path) -> dict[str, CloudEvent]:
    """The worker's result of each document, by path: from a process of its own, whose log goes to a file."""
    received: dict[str, CloudEvent] = {}

    async def broker(request: Request) -> Response:
        event = decode(request.headers, await request.body())
        received[str(event.subject)] = event
        return Response(status_code=202)

    async with hostile_site() as address, serving(asgi(broker)) as ingress:
        documents = await submit(store, [address + path for path in ANSWERS])
        env |= {"BROKER_URL": ingress, "PORT": str(closed_port())}
        settings = Environment(env)
        async with open_function(read_wake(settings), FetchSettings.read(settings)) as function:
            await wake_workers(ScrapeRequested(reason="submitted"), function, ASKED)
        with log.open("wb") as stderr, running_module("functions.scrape.worker", env, stderr) as process:
            await until(lambda: len(received) == len(ANSWERS), timeout_s=60)
            process.terminate()
            assert process.wait(20) == 0
    return {url.removeprefix(address): received[str(document)] for url, document in documents.items()}


async def test_no_page_speaks_outside_its_place(store: Store, database: str, redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/event-signing-key").write_bytes(KEY)
    log = tmp_path / "worker.log"
    events = await scraped(store, variables(database, tmp_path, REDIS_URL=redis_url), log)
    for event in events.values():
        payload = from_event(event)
        assert isinstance(payload, DocumentScraped | StageFailed)
        if isinstance(payload, DocumentScraped):
            assert payload.text is not None
            assert KEY_SHAPE.fullmatch(payload.text.key)
        else:
            assert not CONTROLS.search(payload.message)
            assert SEEN not in payload.message
        await apply(store, event, payload, datetime.now(UTC))

    title = await store.fetch("SELECT scraped->>'title' AS title FROM documents WHERE scraped IS NOT NULL")
    assert len(title) >= 4
    assert all(SEEN in row["title"] and not set("\x00\x1b") & set(row["title"]) for row in title)
    assert await store.fetch("SELECT * FROM pages") == []

    files = [
        path.relative_to(tmp_path / "objects").as_posix()
        for path in (tmp_path / "objects").rglob("*")
        if path.is_file()
    ]
    assert files
    assert all(KEY_SHAPE.fullmatch(name) for name in files)

    lines = log.read_bytes().decode().removesuffix("\n").split("\n")
    assert lines != [""]
    for line in lines:
        assert json.loads(line)["service"] == "scrape-worker"
        assert not CONTROLS.search(line)
        assert SEEN not in line
