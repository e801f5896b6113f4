"""Asynchronous calls that fail are made again as their function asks, and any call can be cancelled."""

from typing import Any

import pytest

from emulator.openfaas.asynchronous.retries import RetryPolicy, read_policy
from tests.emulator.conftest import eventually
from tests.emulator.openfaas.callback import Callback
from tests.emulator.openfaas.conftest import Open

RETRY = "com.openfaas.retry"
QUICK = {f"{RETRY}.attempts": "3", f"{RETRY}.codes": "429,503", f"{RETRY}.min_wait": "10ms"}


async def test_a_code_of_the_list_is_tried_again(opened: Open, callback: Callback) -> None:
    client = await opened({"echo": {"annotations": QUICK}})
    sent = {"X_Call_Id": "it", "X_Callback_Url": callback.url}
    await client.call("POST", "/async-function/echo/status/429", b"", **sent)
    _, headers, body = await callback.next()
    assert (headers["x-function-status"], body) == ("429", b"as asked")
    assert (headers["x-retry"], headers["x-retry-max"]) == ("2", "3")
    told = await client.ended("it")
    assert (told["attempts"], told["status"]) == (3, 429)
    assert callback.came.empty(), "called back once, with the last answer"


async def test_another_code_is_an_answer(opened: Open) -> None:
    client = await opened({"echo": {"annotations": QUICK}, "plain": {}})
    await client.call("POST", "/async-function/echo/status/500", b"", X_Call_Id="other-code")
    await client.call("POST", "/async-function/plain/status/503", b"", X_Call_Id="no-annotation")
    assert [(await client.ended(each))["attempts"] for each in ("other-code", "no-annotation")] == [1, 1]


async def test_what_the_platform_answers_is_always_tried_again(opened: Open) -> None:
    client = await opened({"echo": {"annotations": QUICK | {f"{RETRY}.codes": "418"}}})
    await client.call("POST", "/async-function/echo/die", b"", X_Call_Id="dead")
    told = await client.ended("dead")
    assert (told["status"], told["attempts"]) == (502, 3)


async def test_a_call_that_waits_for_its_next_attempt_is_cancelled(opened: Open, callback: Callback) -> None:
    client = await opened({"echo": {"annotations": QUICK | {f"{RETRY}.min_wait": "1h", f"{RETRY}.max_wait": "1h"}}})
    sent = {"X_Call_Id": "it", "X_Callback_Url": callback.url}
    await client.call("POST", "/async-function/echo/status/429", b"", **sent)
    await client.ended("it", state="queued", attempts=1)
    assert (await client.call("DELETE", "/async-function/it"))[0] == 202
    assert (await client.json("/system/async/it"))["state"] == "cancelled"
    assert await client.call("DELETE", "/async-function/it") == (409, b"call it is over\n")
    assert client.platform.emulator.calls.queued("echo") == 0
    assert callback.came.empty()


async def test_a_call_that_runs_is_cancelled(opened: Open) -> None:
    client = await opened({"echo": {}})
    await client.call("POST", "/async-function/echo/slow/600", b"", X_Call_Id="it")
    await client.ended("it", state="running")
    await eventually(lambda: client.platform.function("echo")["in_flight"] == 1)
    assert (await client.call("DELETE", "/async-function/it"))[0] == 202
    assert (await client.json("/system/async/it"))["state"] == "cancelled"
    await eventually(lambda: client.platform.function("echo")["in_flight"] == 0)
    assert client.platform.emulator.calls.queued("echo") == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"attempts": "many"}, RetryPolicy()),
        ({"attempts": "0", "codes": "1,2"}, RetryPolicy(attempts=1)),
        (
            {"attempts": "5", "codes": "429, 503", "min_wait": "1m", "max_wait": "2m"},
            RetryPolicy(5, frozenset((429, 503)), 60.0, 120.0),
        ),
    ],
)
def test_annotations(given: dict[str, str], expected: RetryPolicy | None) -> None:
    annotations: dict[str, Any] = {f"{RETRY}.{name}": value for name, value in given.items()}
    assert read_policy(annotations | {"other": "x"}) == expected


def test_waits_double_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=7, min_wait_s=10.0, max_wait_s=120.0)
    waits = [policy.wait_s(429, made, of_platform=False) for made in range(1, 8)]
    assert waits == [10.0, 20.0, 40.0, 80.0, 120.0, 120.0, None]
    assert policy.wait_s(200, 1, of_platform=True) is None
    assert policy.wait_s(404, 1, of_platform=False) is None
