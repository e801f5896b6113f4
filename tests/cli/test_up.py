"""`sluice up`, `status` and `down`: a real platform of this test's own."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import psutil

from cli import running
from cli.status import fetch
from cli.up import told_in_time
from tests.cli.conftest import Cli
from tests.local_http import closed_port, until


async def test_a_platform_starts_serves_and_leaves_nothing(sluice: Cli) -> None:
    port, folder = str(closed_port()), sluice.folder / "data"
    where = ("--port", port, "--data-dir", str(folder))
    up = await sluice("up", "--detach", *where)
    try:
        assert up.code == 0, up.err
        assert f"ready on port {port}" in up.out
        found = running.read(folder)
        assert found is not None
        assert fetch(int(port), "/healthz") is not None, "ready means ready"
        assert fetch(int(port), "/ready") is not None
        status = (await sluice("status", "--json", "--port", port)).json()
        assert (status["running"], status["ready"], status["pid"]) == (True, True, found.pid)
        assert {"gateway", "orchestrator", "embed-worker"} <= {one["name"] for one in status["functions"]}
        assert set(status["queues"]) == {"scrape", "embed"}
        again = await sluice("up", "--data-dir", str(folder), "--port", str(closed_port()))
        assert again.code == 1
        assert f"with pid {found.pid}" in again.err
        beside = await sluice("up", "--data-dir", str(sluice.folder / "other"), "--port", port)
        assert beside.code == 1
        assert f"port {port} cannot be used" in beside.err
        bad = await sluice("ingest", "--wait", "nonsense", "ftp://example.org/", *where)
        assert bad.code == 2, bad.err
        assert "urls[1]: only http and https URLs" in bad.err
        assert "no jobs yet" in (await sluice("jobs", *where)).out
    finally:
        family = descendants(folder)
        down = await sluice("down", *where)
    assert down.code == 0, down.err
    assert not alive(family), "nothing is left"
    assert running.read(folder) is None
    assert fetch(int(port), "/healthz") is None
    assert (await sluice("down", *where)).code == 1


async def test_a_port_in_use_is_named_before_anything_starts(sluice: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await sluice("up", "--port", str(port))
    assert ended.code == 1
    assert f"port {port} cannot be used" in ended.err
    assert "--port" in ended.err
    assert not (sluice.folder / ".sluice/postgres").exists()


async def test_after_a_kill_the_next_start_works_and_ctrl_c_ends_it(sluice: Cli) -> None:
    where = ("--port", str(closed_port()))
    assert (await sluice("up", "--detach", *where)).code == 0
    killed = descendants(sluice.folder / ".sluice")
    killed[0].kill()
    await until(lambda: not alive(killed))
    assert (await sluice("status")).code == 1
    process = await sluice.start("up", *where)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            while b"ready on" not in (line := await process.stderr.readline()):
                assert line, "it ended before it was ready"
        family = descendants(sluice.folder / ".sluice")
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    assert not alive(family), "nothing is left"
    assert running.read(sluice.folder / ".sluice") is None


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still do something: a zombie only waits for its parent to look."""
    with_status = [(process, status_of(process)) for process in processes]
    return [process for process, status in with_status if status not in (None, psutil.STATUS_ZOMBIE)]


def status_of(process: psutil.Process) -> str | None:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return None


def descendants(folder: Path) -> list[psutil.Process]:
    found = running.read(folder)
    return [] if found is None else [psutil.Process(found.pid), *psutil.Process(found.pid).children(recursive=True)]


def test_who_waits_for_a_start_does_not_wait_for_ever() -> None:
    ours, theirs = os.pipe()
    assert told_in_time(ours, 0.05) is None
    os.write(theirs, b"r")
    assert told_in_time(ours, 10) == b"r"
    os.close(theirs)
    assert told_in_time(ours, 10) == b""
    os.close(ours)
