"""The parser process: hostile pages end in it, and nothing else does."""

import asyncio
import gzip
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.scrape.frames import Page, Text
from functions.scrape.parsing import PAGES_PER_CHILD, Parser, living_parser, parser_process
from shared.errors import Interrupted, Permanent
from shared.tally import Tally, counting
from tests.local_http import asgi, serving, until

CPU_S = 1.0
SLOW = b"<html><body>" + b"<a href=x>y</a>" * 600_000


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    with parser_process(CPU_S) as path:
        yield path


@pytest.fixture
async def parser(path: str) -> AsyncIterator[Parser]:
    await _warm(path)
    parser = Parser(path, connections=2, page_cpu_s=CPU_S)
    yield parser
    parser.close()


async def _warm(path: str) -> None:
    """The first page waits for the process to import what it needs, which a busy machine may do slowly."""
    patient = Parser(path, page_cpu_s=60.0)
    await patient.read(page(b"<p>warm</p>"))
    patient.close()


def page(body: bytes, **fields: str) -> Page:
    return Page(None, "html", fields.get("content_type"), fields.get("content_encoding"), body)


async def test_a_page_is_unpacked_decoded_and_read(parser: Parser) -> None:
    body = gzip.compress("<html lang=de><title>Titel</title><p>Grüße</p></html>".encode("cp1252"))
    text = await parser.read(page(body, content_type="text/html; charset=latin1", content_encoding="gzip"))
    assert text == Text(text="Grüße", title="Titel", language="de")


async def test_a_page_that_takes_too_long_is_given_up_and_the_next_is_read(parser: Parser) -> None:
    with pytest.raises(Permanent) as given_up:
        await parser.read(page(SLOW))
    assert given_up.value.code == "extraction_timeout"
    assert (await parser.read(page(b"<p>still here</p>"))).text == "still here"


async def test_what_a_page_took_in_the_child_is_charged_here(parser: Parser) -> None:
    html = b"<p>words</p>" * 500
    tally = Tally()
    with counting(tally):
        await parser.read(page(gzip.compress(html), content_encoding="gzip"))
    assert tally.decoded_bytes == len(html)
    assert 0 < tally.cpu_s < CPU_S


async def test_a_page_that_failed_in_the_child_or_killed_it_has_cost_too(parser: Parser) -> None:
    failed, killed = Tally(), Tally()
    with counting(failed), pytest.raises(Permanent):
        await parser.read(page(b"%PDF-1.7\n1 0 obj"))
    assert failed.decoded_bytes == 16
    with counting(killed), pytest.raises(Permanent):
        await parser.read(page(SLOW))
    assert killed.cpu_s == pytest.approx(CPU_S, rel=0.05)


async def test_a_page_that_is_too_large_says_so(parser: Parser) -> None:
    with pytest.raises(Permanent) as refused:
        await parser.read(page(b"<p>words</p>" * 5_000_000))
    assert refused.value.code == "page_too_large"


async def test_what_only_calls_itself_a_page_says_so(parser: Parser) -> None:
    for body in (b"%PDF-1.7\n1 0 obj", b"PK\x03\x04 words words", random.Random(1).randbytes(5000)):
        with pytest.raises(Permanent) as refused:
            await parser.read(page(body, content_type="text/html; charset=utf-8"))
        assert refused.value.code == "unsupported_content_type"


async def test_odd_bytes_do_not_make_a_page_something_else(parser: Parser) -> None:
    cyrillic = "<p>Шлюз держит воду.</p>".encode("utf-16-le")
    assert (await parser.read(page(cyrillic, content_type="text/html; charset=utf-16le"))).text == "Шлюз держит воду."
    assert (await parser.read(page(b"<p>" + b"w\0o\0r\0d \x1b[1m" * 50 + b"\x0b</p>"))).text.startswith("word")


async def test_a_child_that_died_idle_is_replaced(parser: Parser) -> None:
    await parser.read(page(b"<p>first</p>"))
    for child in _children():
        child.kill()
    assert (await parser.read(page(b"<p>second</p>"))).text == "second"


async def test_a_child_that_dies_of_a_page_costs_that_page_only() -> None:
    """Its child ends long before the time that the asking side knows of: to that side, a crash."""
    with parser_process(page_cpu_s=0.2) as path:
        parser = Parser(path, connections=1, page_cpu_s=60)
        with pytest.raises(Permanent) as given_up:
            await parser.read(page(SLOW))
        assert given_up.value.code == "extraction_crashed"
        assert (await parser.read(page(b"<p>still here</p>"))).text == "still here"
        parser.close()


async def test_a_page_that_wants_too_much_memory_costs_that_page_only(parser: Parser) -> None:
    usual = _processes()[-1].memory_info().vms
    with parser_process(page_cpu_s=60, memory_bytes=usual + 20 * 1024 * 1024) as path:
        await _warm(path)
        small = Parser(path, connections=1, page_cpu_s=60)
        with pytest.raises(Permanent) as given_up:
            await small.read(page(b"<i>w</i>" * 1_240_000))
        assert given_up.value.code in {"page_too_complex", "extraction_crashed"}
        assert (await small.read(page(b"<p>still here</p>"))).text == "still here"
        small.close()


@pytest.mark.parametrize("opened", [b"<div>", b"<b>", b"<table><tr><td>", b"<ul><li>", b"<svg><g>"])
async def test_no_depth_of_a_page_costs_more_than_that_page(parser: Parser, opened: bytes) -> None:
    codes = {"page_too_complex", "extraction_timeout", "extraction_crashed", "no_text"}
    try:
        found = (await parser.read(page(opened * (4_000_000 // len(opened)) + b"deep"))).text
    except Permanent as given_up:
        found = given_up.code
    assert found in codes | {"deep"}
    assert (await parser.read(page(b"<p>still here</p>"))).text == "still here"


async def test_a_parser_that_is_killed_costs_its_pages_nothing() -> None:
    with parser_process() as path:
        await _warm(path)
        parser = Parser(path, connections=2)
        await asyncio.gather(*(parser.read(page(b"<p>word</p>")) for _ in range(2)))
        process = _processes()[-1]
        family = [process, *process.children()]
        process.kill()
        await until(lambda: all(_is_dead(member) for member in family))
        for _ in range(3):
            with pytest.raises(Interrupted):
                await parser.read(page(b"<p>second</p>"))
        parser.close()


async def test_children_are_replaced_after_many_pages(parser: Parser) -> None:
    await asyncio.gather(*(parser.read(page(b"<p>word</p>")) for _ in range(PAGES_PER_CHILD * 2 + 10)))
    assert (await parser.read(page(b"<p>more</p>"))).text == "more"


async def test_a_parser_that_is_gone_costs_the_page_nothing() -> None:
    parser = Parser("/nowhere/socket")
    with pytest.raises(Interrupted) as interrupted:
        await parser.read(page(b"<p>x</p>"))
    assert interrupted.value.retry_after_s


def test_it_knows_no_secrets() -> None:
    os.environ["SLUICE_TEST_SECRET"] = "hidden"
    try:
        with parser_process():
            process = _processes()[-1]
            assert "hidden" not in process.environ().values()
            assert process.environ().get("DATABASE_URL") is None
    finally:
        del os.environ["SLUICE_TEST_SECRET"]


async def test_it_ends_with_its_block_and_one_that_lives_is_used_again() -> None:
    with parser_process() as path:
        process = _processes()[-1]
        with living_parser(path) as same:
            assert same == path
    await until(lambda: not process.is_running())
    with living_parser(path) as other:
        assert other != path


async def test_it_ends_when_its_parent_is_killed() -> None:
    script = (
        "import time; from functions.scrape.parsing import parser_process\n"
        "with parser_process() as path: print(path, flush=True); time.sleep(60)"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    folder = Path((await parent.stdout.readline()).decode().strip()).parent
    assert folder.exists()
    orphan = psutil.Process(parent.pid).children()[0]
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until(lambda: _is_dead(orphan))
    assert not folder.exists()


SPY = """
import json, os, pathlib, signal, socket, sys
from functions.scrape.confinement import confine

secret, port, parent = sys.argv[1], int(sys.argv[2]), os.getppid()
tries = {
    "read": lambda: open(secret).read(),
    "list": lambda: os.listdir(os.path.dirname(secret)),
    "write": lambda: open(secret + ".new", "w"),
    "environment": lambda: open(f"/proc/{parent}/environ").read(),
    "memory": lambda: open(f"/proc/{parent}/mem", "rb"),
    "connect": lambda: socket.create_connection(("127.0.0.1", port)),
    "signal": lambda: os.kill(parent, 0),
}

def outcome(do):
    try:
        do()
    except OSError:
        return "refused"
    return "done"

before = {name: outcome(do) for name, do in tries.items()}
confined = confine()
import encodings.big5, encodings.cp949, zoneinfo  # what pages need late is still there
print(json.dumps([confined, before, {name: outcome(do) for name, do in tries.items()}]))
"""


async def test_its_children_reach_no_file_no_process_and_no_network(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    async with serving(asgi(nothing)) as address:
        arguments = ["-c", SPY, str(secret), address.rpartition(":")[2]]
        spy = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        out, _ = await spy.communicate()
    confined, before, after = json.loads(out)
    if not confined:
        pytest.skip("this kernel has no Landlock")
    assert set(before.values()) == {"done"}
    held = {"read", "list", "write", "environment", "memory"}
    assert {name for name, outcome in after.items() if outcome == "refused"} >= held


async def nothing(request: Request) -> Response:
    return Response()


def _processes() -> list[psutil.Process]:
    found = [child for child in psutil.Process().children() if "functions.scrape.parser" in child.cmdline()]
    return sorted(found, key=lambda child: child.create_time())  # pids start anew at times


def _children() -> list[psutil.Process]:
    return [child for process in _processes() for child in process.children()]


def _is_dead(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
