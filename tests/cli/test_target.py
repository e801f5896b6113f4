"""Which platform a command means, and who owns a data directory."""

import argparse
import multiprocessing
import os
from pathlib import Path

import pytest

from cli import data_dir, running, target
from cli.environment import platform_environment
from cli.failure import CommandFailed
from cli.running import Running


def args(data_dir: Path | None = None, port: int | None = None) -> argparse.Namespace:
    return argparse.Namespace(data_dir=data_dir, port=port)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder, and a temporary directory, of this test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv(target.DATA_DIR, raising=False)
    return tmp_path


def this_process(folder: Path, port: int) -> Running:
    began = running.started_at(os.getpid())
    assert began is not None
    (folder).mkdir(exist_ok=True)
    return Running(os.getpid(), began, port, str(folder))


def test_nothing_given_means_the_folder_here_and_its_port(here: Path) -> None:
    assert target.find(args()) == target.Target(here / ".sluice", 8080)
    running.write(this_process(here / ".sluice", 9123))
    assert target.find(args()) == target.Target(here / ".sluice", 9123)


def test_the_port_alone_is_enough(here: Path) -> None:
    running.write(this_process(here / "elsewhere", 9124))
    assert target.find(args(port=9124)) == target.Target(here / "elsewhere", 9124)


def test_the_data_directory_alone_is_enough(here: Path) -> None:
    running.write(this_process(here / "elsewhere", 9125))
    assert target.find(args(data_dir=Path("elsewhere"))) == target.Target(here / "elsewhere", 9125)


def test_a_platform_that_died_does_not_count(here: Path) -> None:
    alive = this_process(here / "data", 9126)
    running.write(Running(alive.pid, alive.started - 100, alive.port, alive.data_dir))
    assert running.read(here / "data") is None, "another process has this pid now"
    assert running.at_port(9126) is None
    running.write(alive)
    assert running.read(here / "data") == alive
    running.remove(alive)
    assert running.read(here / "data") is None
    assert not (here / f"sluice-{os.getuid()}").exists()


def test_a_registry_that_others_can_write_is_not_believed(here: Path) -> None:
    running.write(this_process(here / "data", 9127))
    (here / f"sluice-{os.getuid()}").chmod(0o777)
    assert running.at_port(9127) is None


def _own(folder: Path, result: "multiprocessing.SimpleQueue[str]") -> None:
    try:
        with data_dir.owned(folder):
            result.put("owned")
    except CommandFailed as failure:
        result.put(str(failure))


def test_a_data_directory_has_one_owner(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    result = context.SimpleQueue()

    def other_process() -> str:
        process = context.Process(target=_own, args=(tmp_path, result))
        process.start()
        process.join()
        said: str = result.get()
        return said

    with data_dir.owned(tmp_path):
        assert f"already running on {tmp_path}, with pid {os.getpid()}" in other_process()
    assert other_process() == "owned"


def test_functions_get_the_platforms_services_and_the_users_settings() -> None:
    given = {
        "SCRAPE_ALLOW_NETWORKS": "127.0.0.0/8",
        "DATABASE_URL": "postgres://production",
        "AWS_REGION": "",
        "PATH": "/",
    }
    made = platform_environment(port=9, object_store_url="o", database_url="pg", redis_url="r", given=given)
    assert made["DATABASE_URL"] == "pg"
    assert made["SCRAPE_ALLOW_NETWORKS"] == "127.0.0.0/8"
    assert made["EMBEDDING_API_BASE_URL"] == "http://127.0.0.1:9/function/inference/v1"
    assert made["FUNCTION_URL_TEMPLATE"] == "http://127.0.0.1:9/function/{name}"
    assert made.keys().isdisjoint({"PATH", "AWS_REGION"})
    mine = platform_environment(
        port=9,
        object_store_url="o",
        database_url="pg",
        redis_url="r",
        given={"EMBEDDING_API_BASE_URL": "http://h100/v1"},
    )
    assert mine["EMBEDDING_API_BASE_URL"] == "http://h100/v1"
