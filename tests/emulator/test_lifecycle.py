"""How replicas start, live and end."""

import asyncio
import json
import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import psutil

from emulator.app import Emulator
from tests.emulator.conftest import Platform, Start, command, eventually


async def test_a_replica_sees_its_own_environment_and_secrets_only(start: Start, tmp_path: Path) -> None:
    os.environ["SLUICE_TEST_LEAK"] = "of the emulator"
    secrets = tmp_path / "data" / "secrets"
    secrets.mkdir(parents=True)
    for name in ("wanted", "other"):
        (secrets / name).write_text(f"{name} value")
    (tmp_path / "more.yml").write_text("environment: {FROM_FILE: f, BOTH: file}")
    body = {"environment": {"OWN": 1, "BOTH": "stack"}, "environment_file": ["more.yml"], "secrets": ["wanted"]}
    platform = await start({"echo": body}, extra_env={"DATABASE_URL": "postgresql:///x"})
    seen = json.loads((await platform.get("/function/echo/env"))[1])
    env = seen["env"]
    assert "SLUICE_TEST_LEAK" not in env
    assert (env["OWN"], env["BOTH"], env["FROM_FILE"]) == ("1", "file", "f")
    assert env["DATABASE_URL"] == "postgresql:///x"
    assert (env["K_SERVICE"], env["OPENFAAS_NAME"], env["PYTHONUNBUFFERED"]) == ("echo", "echo", "1")
    assert seen["secrets"] == {"wanted": "wanted value"}
    folder = Path(env["SECRETS_DIR"])
    assert _mode(folder) == 0o700
    await platform.emulator.fleet.stop(0)
    assert _mode(folder) is None


async def test_one_start_for_many_requests_and_a_limit_on_how_many_at_once(start: Start) -> None:
    platform = await start({"echo": {"labels": {"dev.sluice.concurrency": "2", "com.openfaas.scale.max": "1"}}})
    answers = await asyncio.gather(*(platform.get("/function/echo/slow/0.02") for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    assert max(int(most) for _, most in answers) == 2
    assert platform.function("echo")["starts"] == 1


async def test_requests_are_answered_in_the_order_they_came(start: Start) -> None:
    platform = await start({"echo": {"labels": {"dev.sluice.concurrency": "1", "com.openfaas.scale.max": "1"}}})
    order: list[int] = []

    async def call(number: int) -> None:
        await platform.get("/function/echo/slow/0.01")
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(call(number))
            await eventually(partial(_invoked, platform, number + 1))
    assert order == sorted(order)


async def test_waiting_counts_against_the_time_limit(start: Start, tmp_path: Path) -> None:
    classes = tmp_path / "classes.yml"
    classes.write_text("classes: {brief: {timeout_s: 0.4, concurrency: 1, max_scale: 1}}")
    body = {"labels": {"dev.sluice.class": "brief"}, "fprocess": "sleep 60"}
    platform = await start({"never": body}, classes_file=classes)
    began = time.monotonic()
    assert (await platform.get("/function/never"))[0] == 504
    assert 0.3 < time.monotonic() - began < 3


async def test_a_replica_that_gets_no_files_is_started_later(start: Start, tmp_path: Path) -> None:
    platform = await start({"echo": {}})
    folder = tmp_path / "data" / "run" / "replicas"
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("where the disk is full")
    request = asyncio.create_task(platform.get("/function/echo"))
    await eventually(lambda: "cannot be given its files" in (platform.function("echo")["reason"] or ""))
    folder.unlink()
    assert (await request)[0] == 200


async def test_nothing_to_do_means_no_process(start: Start) -> None:
    platform = await start({"echo": {}}, idle_s=0.2)
    pid = json.loads((await platform.get("/function/echo"))[1])["pid"]
    await eventually(lambda: platform.function("echo")["replicas"] == [])
    assert not psutil.pid_exists(pid)
    assert (await platform.get("/function/echo"))[0] == 200


async def test_min_scale_is_kept_and_health_waits_for_it(start: Start) -> None:
    platform = await start({"echo": {"labels": {"com.openfaas.scale.min": "2"}}}, idle_s=0)
    assert (await platform.get("/healthz"))[0] == 503
    assert await platform.emulator.until_ready(20)
    assert (await platform.get("/healthz"))[0] == 200
    pid = platform.function("echo")["replicas"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: platform.function("echo")["starts"] == 3 and platform.emulator.ready)


async def test_a_crash_loop_waits_longer_each_time_and_says_why(start: Start) -> None:
    platform = await start({"broken": {"fprocess": """python -c "print('no such table'); raise SystemExit(4)" """}})
    call = asyncio.create_task(platform.get("/function/broken"))
    await eventually(lambda: platform.function("broken")["failures"] >= 3)
    assert platform.function("broken")["reason"] == "exit status 4: no such table"
    assert platform.function("broken")["starts"] <= 4
    call.cancel()


async def test_what_cannot_be_started_says_so(start: Start) -> None:
    platform = await start({"gone": {"fprocess": "no-such-command"}, "bare": {"secrets": ["absent"]}})
    calls = [asyncio.create_task(platform.get(f"/function/{name}")) for name in ("gone", "bare")]
    await eventually(lambda: "no-such-command cannot be run" in platform.function("gone")["reason"])
    await eventually(lambda: "secret absent does not exist" in platform.function("bare")["reason"])
    for call in calls:
        call.cancel()


async def test_a_replica_that_is_taken_away_finishes_first(start: Start) -> None:
    platform = await start({"echo": {}})
    slow = asyncio.create_task(platform.get("/function/echo/slow/0.5"))
    await eventually(lambda: platform.function("echo")["in_flight"] == 1)
    await platform.emulator.fleet.stop(5)
    assert (await slow)[0] == 200


async def test_who_ignores_sigterm_is_killed_with_its_children(start: Start) -> None:
    platform = await start({"echo": {"fprocess": command("--stubborn")}}, grace_s=0.2)
    child = int((await platform.get("/function/echo/fork"))[1])
    pid = platform.function("echo")["replicas"][0]["pid"]
    await platform.emulator.fleet.stop(0)
    assert not psutil.pid_exists(pid)
    await eventually(lambda: _gone(child))


async def test_the_children_of_a_killed_replica_go_too(start: Start) -> None:
    platform = await start({"echo": {}})
    child = int((await platform.get("/function/echo/fork"))[1])
    os.kill(platform.function("echo")["replicas"][0]["pid"], signal.SIGKILL)
    await eventually(lambda: _gone(child))


async def test_logs_are_kept_and_followed(start: Start) -> None:
    platform = await start({"echo": {}})
    await platform.get("/function/echo/say/one")
    async with platform.session.get(platform.url("/logs/echo?tail=1&follow=true")) as response:
        assert (await response.content.readline()).endswith(b" one\n")
        await platform.get("/function/echo/say/two")
        assert (await response.content.readline()).endswith(b" two\n")
    status, text = await platform.get("/logs/echo")
    assert status == 200
    assert [line.split(" ")[2] for line in text.splitlines()] == ["one", "two"]
    assert (await platform.get("/logs/nobody"))[0] == 404


async def test_stopping_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    platform = await start({"echo": {"labels": {"com.openfaas.scale.min": "1"}}})
    emulator: Emulator = platform.emulator
    assert await emulator.until_ready(20)
    pid = platform.function("echo")["replicas"][0]["pid"]
    await emulator.__aexit__(None, None, None)
    assert not psutil.pid_exists(pid)
    assert list((tmp_path / "data" / "run" / "replicas").iterdir()) == []


def _mode(path: Path) -> int | None:
    return path.stat().st_mode & 0o777 if path.exists() else None


def _invoked(platform: Platform, times: int) -> bool:
    return bool(platform.function("echo")["invocations"] == times)


def _gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_a_function_that_starts_again_is_forked_from_its_template(start: Start, tmp_path: Path) -> None:
    secrets = tmp_path / "data" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "wanted").write_text("value")
    body = {"secrets": ["wanted"], "labels": {"com.openfaas.scale.zero": "true"}}
    others = set(psutil.Process().children(recursive=True))
    platform = await start({"echo": body}, cold_start="template", idle_s=0.5)
    assert (await platform.get("/function/echo"))[0] == 200
    launcher = platform.emulator.launcher
    await eventually(lambda: platform.function("echo")["replicas"] == [] and launcher.templates.ready("echo"), 60)
    seen = json.loads((await platform.get("/function/echo/env"))[1])
    assert seen["secrets"] == {"wanted": "value"}
    assert (seen["env"]["OPENFAAS_NAME"], seen["env"]["HOST"]) == ("echo", "127.0.0.1")
    first, second = (each["how"] for each in platform.function("echo")["cold_starts"])
    assert (first, second) == ("exec", "template")
    said = [line.text for line in launcher.log_of("emulator").tail() if line.instance == "echo"]
    assert any("forked from its template in" in text for text in said)
    assert any("sent its first byte" in text for text in said)
    metrics = (await platform.get("/metrics"))[1]
    assert (
        'sluice_emulator_cold_start_seconds_count{function_name="echo.openfaas-fn",phase="ready",start="template"} 1'
        in metrics
    )
    assert 'phase="first_byte",start="exec"' in metrics
    family = set(psutil.Process().children(recursive=True)) - others
    assert {process.pid for process in family} > {each["pid"] for each in platform.function("echo")["replicas"]}
    await platform.emulator.fleet.stop(0)
    await launcher.templates.stop()
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


async def test_a_replica_that_nobody_asked_for_anything_waits_at_no_cost(start: Start) -> None:
    platform = await start({"echo": {"labels": {"com.openfaas.scale.min": "1"}}})
    assert await platform.emulator.until_ready(20)
    await asyncio.sleep(1)
    await platform.get("/function/echo")
    (cold,) = platform.function("echo")["cold_starts"]
    assert cold["ready_ms"] <= cold["first_byte_ms"] < cold["ready_ms"] + 900
