"""Prometheus asks the emulator what there is to scrape."""

import json
from typing import Any

from tests.emulator.conftest import Platform, Start, eventually

ALWAYS = {"com.openfaas.scale.min": "1"}


async def targets(platform: Platform) -> dict[str, dict[str, Any]]:
    """Job to its one group."""
    status, body = await platform.get("/observe/targets")
    assert status == 200
    return {group["labels"]["job"]: group for group in json.loads(body)}


async def test_the_emulator_and_every_replica_that_answers_are_listed(start: Start) -> None:
    platform = await start({"echo": {"labels": ALWAYS}, "idle": {}})
    await eventually(lambda: platform.emulator.ready)
    found = await targets(platform)
    assert found.keys() == {"emulator", "echo"}
    [replica] = platform.function("echo")["replicas"]
    assert found["echo"]["targets"] == [f"127.0.0.1:{replica['port']}"]
    assert found["echo"]["labels"] == {
        "job": "echo",
        "component": "function",
        "instance": replica["name"],
        "__metrics_path__": "/metrics",
    }
    assert found["emulator"]["targets"] == [f"127.0.0.1:{platform.emulator.settings.port}"]


async def test_a_function_may_say_where_its_metrics_are_and_that_it_has_none(start: Start) -> None:
    without = {"prometheus.io/scrape": "false"}
    elsewhere = {"prometheus.io/path": "/own/metrics"}
    platform = await start(
        {"quiet": {"labels": ALWAYS, "annotations": without}, "echo": {"labels": ALWAYS, "annotations": elsewhere}}
    )
    await eventually(lambda: platform.emulator.ready)
    found = await targets(platform)
    assert found.keys() == {"emulator", "echo"}
    assert found["echo"]["labels"]["__metrics_path__"] == "/own/metrics"


async def test_it_is_read_only(start: Start) -> None:
    platform = await start({"echo": {}})
    async with platform.session.post(platform.url("/observe/targets")) as response:
        assert response.status == 405
