"""What the watchdog in front of an HTTP function allows: as recorded from the real one, in front of ours."""

import asyncio
import json
from typing import Any

import pytest

from emulator.openfaas.limits import Limits, duration_s, read_limits
from shared.errors import InvalidInput
from tests import shared_data
from tests.emulator.conftest import eventually
from tests.emulator.openfaas.conftest import Open
from tests.emulator.openfaas.world import Answer


def recorded(name: str) -> list[dict[str, Any]]:
    steps = json.loads(shared_data.path("golden/openfaas/watchdog.json").read_text())["steps"]
    found: list[dict[str, Any]] = next(step for step in steps if step["name"] == name)["requests"]
    return found


def alike(answer: Answer, expected: dict[str, Any]) -> None:
    assert (answer.status, answer.body.decode()) == (expected["status"], expected["body"]["text"])
    headers = {name.lower(): value for name, value in expected["headers"]}
    assert answer.headers["X-OpenFaaS-Internal"] == headers["x-openfaas-internal"]


async def test_a_call_may_take_no_longer_than_exec_timeout(opened: Open) -> None:
    client = await opened({"echo": {"environment": {"exec_timeout": "500ms"}}})
    await client.call("GET", "/function/echo")
    for exchange in recorded("http: exec_timeout"):
        _, path, headers, _ = exchange["request"]
        given = {name.replace("-", "_"): value for name, value in headers.items()}
        answer = await client.answer("POST", f"/function/echo/slow/{path.split('=')[1]}", b"", **given)
        alike(answer, exchange["response"])
        least, most = (0.1, 0.3) if given.get("X_Timeout") == "100ms" else (0.5, 1.9)
        assert least <= float(answer.headers["X-Duration-Seconds"]) < most
    assert (await client.call("GET", "/function/echo/slow/0.1"))[0] == 200


async def test_a_caller_may_ask_for_less_time_of_any_function(opened: Open) -> None:
    client = await opened({"echo": {}})
    await client.call("GET", "/function/echo")
    answer = await client.answer("GET", "/function/echo/slow/5", X_Timeout="50ms")
    assert (answer.status, answer.body) == (504, b"")
    assert (await client.answer("GET", "/function/echo/slow/0.1", X_Timeout="soon")).status == 200


async def test_no_more_at_once_than_max_inflight(opened: Open) -> None:
    labels = {"com.openfaas.scale.min": "1", "com.openfaas.scale.max": "1"}
    client = await opened({"echo": {"environment": {"max_inflight": "1"}, "labels": labels}})
    await client.call("GET", "/function/echo")
    held = asyncio.create_task(client.answer("POST", "/function/echo/slow/0.7", b""))
    await eventually(lambda: client.platform.function("echo")["in_flight"] == 1)
    alike(await client.answer("POST", "/function/echo", b""), recorded("http: max_inflight=1")[0]["response"])
    assert (await held).status == 200
    assert (await client.answer("POST", "/function/echo", b"")).status == 200


async def test_an_answer_after_write_timeout_reaches_nobody(opened: Open) -> None:
    client = await opened({"echo": {"environment": {"write_timeout": "200ms"}}})
    await client.call("GET", "/function/echo")
    assert (await client.call("GET", "/function/echo/slow/0.4"))[0] == 502
    assert (await client.call("GET", "/function/echo"))[0] == 200


async def test_a_limit_that_means_nothing_is_refused(opened: Open) -> None:
    client = await opened({"echo": {"image": "acme/echo:1"}})
    wanted = {"service": "echo", "image": "acme/echo:1", "envVars": {"exec_timeout": "soon"}}
    status, body = await client.call("PUT", "/system/functions", wanted)
    assert (status, body) == (400, b"echo: environment.exec_timeout must be a duration such as 30s, not 'soon'\n")
    [told] = await client.json("/system/functions")
    assert "envVars" not in told, "what was there is there as it was"
    with pytest.raises(InvalidInput, match="max_inflight"):
        read_limits("fn", (), {"max_inflight": "-1"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30.0), ("1m30s", 90.0), ("250ms", 0.25), ("1.5h", 5400.0), ("0s", 0.0), ("soon", None), ("3x", None),
     ("1s!", None), ("..s", None), ("", None)],
)  # fmt: skip
def test_durations_are_those_of_go_or_whole_seconds(text: str, seconds: float | None) -> None:
    assert duration_s(text) == seconds


def test_a_caller_s_time_never_adds_to_the_function_s() -> None:
    limits = Limits(exec_s=2.0)
    assert [limits.shortened(asked) for asked in ("1s", "9s", None, "x", "0s")] == [1.0, 2.0, 2.0, 2.0, 2.0]
    assert Limits().shortened("9s") == 9.0
