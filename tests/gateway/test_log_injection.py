"""What strangers send stands in the log as it is: it ends no line, drives no terminal and passes for no field."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from gateway.app import table
from observe.logs import JsonFormatter
from tests.gateway.conftest import World

FORGED = '{"time":"2020-01-01","level":"error","service":"gateway","action":"key.created","caller_id":"forged"}'
HOSTILE = (
    f"x\n{FORGED}",
    f"x\r\n{FORGED}\r\n",
    'x","action":"key.created","caller_id":"forged","y":"',
    "\x1b[2J\x1b[31mall is well\x1b[0m",
    "\u202egnp.exe\u202c\u2066\u200f",
    f"x\u2028{FORGED}\u2029\x85\x0b\x0c",
    "\x00\x07\x9b31m",
    "\\u000a" + FORGED,
)
HEADERS = ("X-Request-Id", "X-API-Key", "User-Agent", "traceparent", "Idempotency-Key", "Content-Type", "Host")
# Controls, the ends of lines that are no line feed, and marks of direction.
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200e\u200f]")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the process writes meanwhile, as it would write it to standard error."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(JsonFormatter("gateway"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    """Every line is one object, with nothing unseen in it, and none of them is the forged one."""
    text = written.getvalue()
    assert not UNSEEN.search(text), text
    found = [json.loads(line, object_pairs_hook=_without_doubles) for line in text.split("\n") if line]
    for line in found:
        assert line["service"] == "gateway"
        assert line.get("caller_id") != "forged", line
        assert line.get("action") != "key.created", line
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


@pytest.mark.parametrize("value", HOSTILE)
async def test_no_value_of_a_query_a_path_or_a_body_forges_a_line(
    value: str, world: World, written: io.StringIO
) -> None:
    for route in table():
        if route.public:
            continue
        path = re.sub(r"{\w+}", quote(value, safe=""), route.path)
        body = dict.fromkeys(("url", "text", "query", "corpus", "status", "access", "error_message"), value)
        await world.client.request(
            route.method,
            path,
            params=dict.fromkeys(("corpus", "status", "since", "cursor", "caller_id", "action", "url", "by"), value),
            json=body if route.method in ("POST", "PUT") else None,
        )
    await asyncio.sleep(0)
    assert lines(written), "refusals of what changes something are remembered"


async def test_no_header_forges_a_line(world: World, written: io.StringIO) -> None:
    """Sent as bytes, because no client library would. What a server refuses as no header never gets to a log."""
    host = world.client.base_url
    for value in HOSTILE:
        for name in HEADERS:
            reader, writer = await asyncio.open_connection(host.host, host.port)
            head = f"POST /api/orchestrator/jobs HTTP/1.1\r\nHost: {host.host}\r\nX-API-Key: slk_alice-key\r\n"
            writer.write(f"{head}{name}: {value}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
            async with asyncio.timeout(20):
                await reader.read()
            writer.close()
    for line in lines(written):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", line.get("request_id", "-"))


def test_a_line_that_is_not_escaped_would_be_noticed(written: io.StringIO) -> None:
    for bad in HOSTILE[:6]:
        written.truncate(0)
        written.seek(0)
        written.write(f'{{"service":"gateway","message":"{bad}"}}\n')
        with pytest.raises((AssertionError, ValueError)):
            lines(written)
