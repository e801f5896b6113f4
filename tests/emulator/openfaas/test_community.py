"""`--edition ce`: what Community Edition refuses is refused, and what it cannot do is not done."""

from pathlib import Path
from typing import Any

import pytest

from emulator.openfaas.community import is_private, registry
from tests.emulator.openfaas.conftest import Open
from tests.emulator.openfaas.test_deploying import Restarted
from tests.emulator.openfaas.world import Client

SCALE = "com.openfaas.scale"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"labels": {f"{SCALE}.zero": "true"}}, f"label {SCALE}.zero: "),
        ({"labels": {f"{SCALE}.zero-duration": "5m"}}, f"label {SCALE}.zero-duration: "),
        ({"labels": {f"{SCALE}.target": "10"}}, f"label {SCALE}.target: "),
        ({"labels": {f"{SCALE}.type": "rps"}}, f"label {SCALE}.type: "),
        ({"labels": {f"{SCALE}.max": "6"}}, "5 replicas"),
        ({"labels": {f"{SCALE}.min": "6"}}, "5 replicas"),
        ({"annotations": {"topic": "a,b"}}, "annotation topic: "),
        ({"annotations": {"eks.amazonaws.com/role": "x"}}, "amazonaws.com"),
        ({"image": "localhost:5000/fn:1"}, "localhost:5000 is not a public registry"),
        ({"namespace": "dev"}, "namespace must be: openfaas-fn"),
    ],
)
async def test_what_community_edition_refuses(fields: dict[str, Any], named: str, opened: Open) -> None:
    client = await opened(edition="ce")
    wanted = {"service": "fn", "image": "functions/alpine:latest", "envProcess": "cat", **fields}
    status, body = await client.call("POST", "/system/functions", wanted)
    assert status == 400
    assert named in body.decode()
    assert await client.json("/system/functions") == []


async def test_what_it_takes_works(opened: Open) -> None:
    client = await opened(edition="ce")
    labels = {f"{SCALE}.min": "1", f"{SCALE}.max": "5", f"{SCALE}.factor": "20", f"{SCALE}.zero": "false"}
    await client.deploy("fn", envProcess="cat", labels=labels, annotations={"topic": "cron-function"})
    assert await client.call("POST", "/function/fn", b"x") == (200, b"x")
    assert (await client.call("POST", "/system/scale-function/fn", {"serviceName": "fn", "replicas": 0}))[0] == 202
    assert (await client.json("/system/function/fn"))["replicas"] == 1, "there is no zero"


async def test_fifteen_functions_and_no_more(opened: Open) -> None:
    client = await opened(edition="ce")
    await client.deploy("fn", envProcess="cat")
    body = {"image": "functions/alpine:latest", "envProcess": "cat", "labels": {f"{SCALE}.min": "0"}}
    for number in range(1, 15):
        assert (await client.call("POST", "/system/functions", {"service": f"fn-{number}", **body}))[0] == 202
    status, said = await client.call("POST", "/system/functions", {"service": "fn-15", **body})
    assert (status, said) == (400, b"Community Edition runs 15 functions\n")
    await client.deploy("fn", envProcess="env")


async def test_functions_of_the_stack_file_that_it_refuses_are_left_out(opened: Open) -> None:
    client = await opened({"pro": {"labels": {f"{SCALE}.zero": "true"}}, "echo": {}}, edition="ce")
    assert [each["name"] for each in await client.json("/system/functions")] == ["echo"]


async def test_one_namespace(opened: Open) -> None:
    client = await opened(edition="ce")
    assert (await client.call("POST", "/system/namespace/", {"name": "dev"}))[0] == 405
    assert (await client.call("PUT", "/system/namespace/openfaas-fn", {"name": "openfaas-fn"}))[0] == 405
    assert (await client.call("DELETE", "/system/namespace/openfaas-fn"))[0] == 405
    assert await client.call("GET", "/system/functions?namespace=dev") == (400, b"namespace must be: openfaas-fn\n")
    assert await client.json("/system/namespaces") == ["openfaas-fn"]


async def test_asynchronous_calls_one_at_a_time_small_and_final(opened: Open) -> None:
    client = await opened({"echo": {"annotations": {"com.openfaas.retry.attempts": "3"}}}, edition="ce")
    assert (await client.call("POST", "/async-function/echo", b"x" * 256_001))[0] == 500
    ids = [f"call-{number}" for number in range(3)]
    for call_id in ids:
        await client.call("POST", "/async-function/echo/slow/0.1", b"", X_Call_Id=call_id)
    await client.call("POST", "/async-function/echo/status/500", b"", X_Call_Id="failing")
    assert (await client.call("DELETE", f"/async-function/{ids[2]}"))[0] == 405
    told = [await client.ended(call_id) for call_id in ids]
    assert [each["result"]["body"] for each in told] == ["1", "1", "1"], "never two at once"
    assert (await client.ended("failing"))["attempts"] == 1


def test_registries_that_cannot_be_public() -> None:
    assert (registry("acme/fn:1"), registry("ghcr.io/acme/fn"), registry("fn:1")) == (None, "ghcr.io", None)
    private = ("localhost", "10.0.0.1:5000", "registry:5000", "hub.corp.internal", "1.dkr.ecr.eu-west-1.amazonaws.com")
    assert [is_private(host) for host in (*private, "ghcr.io")] == [True] * 5 + [False]


async def test_what_was_deployed_before_is_not_there_in_the_other_edition(tmp_path: Path) -> None:
    world = Restarted(tmp_path, {})

    async def deploy(client: Client) -> None:
        await client.deploy("pro", envProcess="cat", labels={f"{SCALE}.target": "10"})
        await client.deploy("both", envProcess="cat")

    async def names(client: Client) -> list[str]:
        return [each["name"] for each in await client.json("/system/functions")]

    await world.once(deploy)
    assert await world.once(names, edition="ce") == ["both"]
    assert await world.once(names) == ["both", "pro"]
