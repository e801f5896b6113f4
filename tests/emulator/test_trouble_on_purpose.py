"""Trouble on purpose, for calls and events that go to real processes."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from emulator import eventing
from emulator.faults.fault import Fault, parse
from emulator.openfaas.call import Call, Refused
from emulator.openfaas.routes.local import refuse_others
from shared.errors import InvalidInput
from tests.emulator.conftest import Platform, Start, eventually

EVENTS = eventing.read(
    [
        {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": "main", "namespace": "shop"}},
        {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Trigger",
            "metadata": {"name": "heard", "namespace": "shop"},
            "spec": {"broker": "main", "subscriber": {"uri": "http://echo.shop.svc.cluster.local/say/heard"}},
        },
    ]
)


def heard(platform: Platform, word: str = "heard") -> int:
    return sum(line.text == word for line in platform.emulator.launcher.log_of("echo").tail())


async def send_event(platform: Platform, name: str = "1") -> None:
    headers = {"ce-specversion": "1.0", "ce-id": name, "ce-source": "/test", "ce-type": "made"}
    async with platform.session.post(platform.url("/broker/shop/main"), headers=headers) as response:
        assert response.status == 202


def counts(platform: Platform) -> Mapping[str, int]:
    return platform.emulator.brokers.snapshot()["trigger shop/heard"]


async def admin(platform: Platform, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
    folder = platform.emulator.settings.secrets_dir
    user, password = ((folder / f"basic-auth-{each}").read_text().strip() for each in ("user", "password"))
    headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}
    url = platform.url(f"/system/faults{path}")
    async with platform.session.request(method, url, json=body, headers=headers) as response:
        return response.status, json.loads(await response.text())


async def test_a_share_of_the_calls_fails_and_the_same_ones_with_the_same_seed(start: Start) -> None:
    platform = await start({"echo": {}, "other": {}})

    async def round_of(seed: int) -> list[int]:
        name = platform.emulator.faults.arm(Fault("5xx", "echo", rate=0.5, status=507, seed=seed))
        answers = [(await platform.get("/function/echo"))[0] for _ in range(20)]
        platform.emulator.faults.call_off(name)
        return answers

    first = await round_of(3)
    assert {*first} == {200, 507}
    assert await round_of(3) == first
    assert await round_of(4) != first
    assert (await platform.get("/function/echo"))[0] == 200, "off again"
    metrics = (await platform.get("/metrics"))[1]
    failed = next(
        line for line in metrics.splitlines() if line.startswith('gateway_function_invocation_total{code="507"')
    )
    assert int(failed.split()[-1]) >= first.count(507)


async def test_a_dropped_call_never_arrives(start: Start) -> None:
    platform = await start({"echo": {}})
    platform.emulator.faults.arm(Fault("drop", "echo"))
    async with platform.session.get(platform.url("/function/echo/say/heard")) as response:
        assert (response.status, response.headers["X-Sluice-Fault"]) == (502, "f1")
    assert platform.function("echo")["starts"] == 0


async def test_a_duplicated_call_arrives_twice_and_is_answered_once(start: Start) -> None:
    platform = await start({"echo": {}})
    platform.emulator.faults.arm(Fault("duplicate", "echo"))
    async with platform.session.post(platform.url("/function/echo/twice"), data=b"body") as response:
        assert (await response.json(content_type=None))["body"] == "body"
    await eventually(lambda: platform.function("echo")["invocations"] == 2)
    assert (await platform.get("/function/echo/say/heard"))[0] == 204
    await eventually(lambda: heard(platform) == 2)


async def test_a_delayed_call_waits_and_calling_the_fault_off_lets_it_go(start: Start) -> None:
    platform = await start({"echo": {}})
    platform.emulator.faults.arm(Fault("delay", "echo", delay_ms=600_000))
    call = asyncio.create_task(platform.get("/function/echo"))
    await eventually(lambda: platform.emulator.faults.listed()[0]["hits"] == 1)
    assert not call.done()
    assert platform.function("echo")["invocations"] == 0
    platform.emulator.faults.call_off()
    assert (await call)[0] == 200


async def test_reordered_calls_change_places(start: Start) -> None:
    platform = await start({"echo": {}})
    await platform.get("/function/echo")
    platform.emulator.faults.arm(Fault("reorder", "echo", delay_ms=60_000))
    first = asyncio.create_task(platform.get("/function/echo/say/first"))
    await eventually(lambda: platform.emulator.faults.listed()[0]["hits"] == 1)
    await platform.get("/function/echo/say/second")
    await first
    said = [line.text for line in platform.emulator.launcher.log_of("echo").tail()]
    assert [word for word in said if word in ("first", "second")] == ["second", "first"]


async def test_the_replica_that_gets_a_call_is_killed(start: Start) -> None:
    platform = await start({"echo": {}})
    await platform.get("/function/echo")
    platform.emulator.faults.arm(Fault("kill", "echo", delay_ms=100))
    assert (await platform.get("/function/echo/slow/5"))[0] == 502
    platform.emulator.faults.call_off()
    await eventually(lambda: platform.function("echo")["reason"] == "killed by fault f1")
    assert (await platform.get("/function/echo"))[0] == 200, "another replica takes its place"


async def test_events_are_lost_doubled_refused_and_retried(start: Start) -> None:
    platform = await start({"echo": {}}, eventing=EVENTS)
    faults = platform.emulator.faults
    faults.arm(Fault("drop", "echo", via="events"))
    await send_event(platform)
    await eventually(lambda: counts(platform)["delivered"] == 1)
    assert heard(platform) == 0, "the broker takes it for delivered"

    faults.call_off()
    faults.arm(Fault("duplicate", "echo"))
    await send_event(platform)
    await eventually(lambda: heard(platform) == 2)

    faults.call_off()
    faults.arm(Fault("5xx", "echo"))
    await send_event(platform)
    await eventually(lambda: counts(platform)["retried"] >= 1)
    assert heard(platform) == 2
    faults.call_off()
    await eventually(lambda: heard(platform) == 3)


async def test_calls_and_events_can_be_told_apart(start: Start) -> None:
    platform = await start({"echo": {}}, eventing=EVENTS)
    platform.emulator.faults.arm(Fault("5xx", via="calls"))
    await send_event(platform)
    await eventually(lambda: heard(platform) == 1)
    assert (await platform.get("/function/echo"))[0] == 503


async def test_it_is_asked_for_and_called_off_by_http(start: Start) -> None:
    platform = await start({"echo": {}})
    status, made = await admin(platform, "POST", body={"kind": "5xx", "function": "echo", "rate": 1})
    assert (status, made["id"], made["status"], made["hits"]) == (201, "f1", 503, 0)
    assert (await platform.get("/function/echo"))[0] == 503
    assert (await admin(platform, "GET"))[1][0]["hits"] == 1
    assert platform.emulator.status()["faults"][0]["hits"] == 1
    assert await admin(platform, "DELETE", "?id=f1") == (200, {"off": ["f1"]})
    assert (await admin(platform, "DELETE", "?id=f1"))[0] == 404
    assert (await platform.get("/system/faults"))[0] == 401
    status, refusal = await admin(platform, "POST", body={"kind": "5xx", "function": "nobody"})
    assert (status, refusal["error"], refusal["field"]) == (404, "function_unknown", "function")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "explode"}, "kind"),
        ({"kind": []}, "kind"),
        ({"kind": "drop", "function": "../x"}, "function"),
        ({"kind": "drop", "function": 7}, "function"),
        ({"kind": "drop", "rate": 0}, "rate"),
        ({"kind": "drop", "rate": "all"}, "rate"),
        ({"kind": "drop", "rate": True}, "rate"),
        ({"kind": "drop", "rate": float("nan")}, "rate"),
        ({"kind": "5xx", "status": 404}, "status"),
        ({"kind": "delay", "delay_ms": -1}, "delay_ms"),
        ({"kind": "delay", "delay_ms": 1.5}, "delay_ms"),
        ({"kind": "drop", "seed": "x"}, "seed"),
        ({"kind": "kill", "via": "events"}, "via"),
        ({"kind": "drop", "rat": 0.1}, "rat"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused_with_the_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(body)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("client", "allowed"), [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), (None, False)]
)
def test_only_this_machine_may_make_trouble(client: str, allowed: bool) -> None:
    scope = {"client": (client, 1) if client else None}
    call = Call({}, scope, unused, unused)
    if allowed:
        refuse_others(call)
        return
    with pytest.raises(Refused) as refused:
        refuse_others(call)
    assert refused.value.reply.status == 403


async def unused(*_: object) -> Any:
    raise AssertionError
