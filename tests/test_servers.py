"""The test servers end with the run they serve, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from psutil import Process

from tests import postgres
from tests.processes import wait_until

RUN = """
import os, sys, time
from pathlib import Path
from tests import postgres
session = Path(sys.argv[1])
address = postgres.server(session, os.getpid())
print(address, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_no_server(number: signal.Signals) -> None:
    session = postgres.new_session()
    try:
        command = [sys.executable, "-c", RUN, str(session)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
            assert run.stdout is not None
            assert run.stdout.readline().startswith("postgresql://")
            guardian = Process(int((session / "postgres.pid").read_text()))
            servers = guardian.children(recursive=True)
            assert servers
            os.killpg(run.pid, number)
        wait_until(lambda: not any(process.is_running() for process in [guardian, *servers]))
        assert not (session / "postgres").exists()
    finally:
        postgres.end_session(session)


def test_a_run_that_ends_has_stopped_its_server() -> None:
    session = postgres.new_session()
    address = postgres.server(session, os.getpid())
    assert postgres.server(session, os.getpid()) == address
    guardian = Process(int((session / "postgres.pid").read_text()))
    servers = guardian.children(recursive=True)
    postgres.end_session(session)
    assert not any(process.is_running() for process in servers)
    assert not psutil.pid_exists(guardian.pid)
    assert not Path(session).exists()


def test_each_test_has_a_database_of_its_own(postgres_server: str, database: str) -> None:
    another = postgres.create(postgres_server)
    try:
        for dsn in (database, another):
            postgres.wait_for(_create_table(dsn))
    finally:
        postgres.drop(postgres_server, another)


async def _create_table(dsn: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE only_here (x integer)")
    await connection.close()


async def test_redis_is_empty_at_the_start_of_each_test(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("a", "b")
