"""Functions come, change and go by the REST contract, and are still there after a restart."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.app import Emulator, EmulatorSettings
from observe.redaction import REDACTED, redacted
from tests.emulator.conftest import FUNCTION, Platform, command, eventually, write_stack
from tests.emulator.openfaas.conftest import Open
from tests.emulator.openfaas.world import Client
from tests.numbers import numbers


async def test_nobody_gets_in_without_the_generated_credentials(opened: Open, tmp_path: Path) -> None:
    client = await opened()
    for path in ("/system/functions", "/system/info", "/system/whatever", "/ui/"):
        answer = await client.answer("GET", path, Authorization="Bearer ")
        assert (answer.status, answer.body) == (401, b"invalid credentials")
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Restricted"'
        assert (await client.answer("GET", path, Authorization="Basic !!")).status == 401
    password = tmp_path / "data" / "secrets" / "basic-auth-password"
    assert password.stat().st_mode & 0o777 == 0o600
    assert len(password.read_text()) >= 32
    assert redacted(password.read_text()) == REDACTED


async def test_authentication_can_be_off(opened: Open) -> None:
    client = await opened(basic_auth=False)
    assert (await client.answer("GET", "/system/functions", Authorization="Bearer ")).status == 200


async def test_what_is_unknown_and_what_is_not_allowed(opened: Open) -> None:
    client = await opened()
    assert await client.call("GET", "/system/telemetry") == (404, b"404 page not found\n")
    assert await client.call("PATCH", "/system/functions") == (405, b"")
    assert await client.call("POST", "/healthz") == (405, b"")
    assert await client.call("GET", "/healthz") == (200, b"")
    assert await client.call("POST", "/function/") == (404, b"404 page not found\n")
    expected = "error finding function a.b: server returned non-200 status code (404) for function, a, body: "
    answer = await client.answer("POST", "/function/a.b")
    assert (answer.status, answer.body.decode()) == (404, expected)
    assert not {"X-Call-Id", "X-Start-Time"} & set(answer.headers)
    assert (await client.call("POST", "/system/functions", b"[" * 100_000))[0] == 400
    assert (await client.call("POST", "/system/functions", b'{"service": 1}'))[0] == 400
    assert (await client.call("POST", "/system/functions", b"x" * 17_000_000))[0] == 413


async def test_an_unknown_image_is_refused_with_what_would_work(opened: Open) -> None:
    client = await opened({"echo": {"image": "acme/echo:1"}})
    status, body = await client.call("POST", "/system/functions", {"service": "other", "image": "acme/other:1"})
    assert status == 400
    for way in ("echo", "build/other", "functions/alpine", "theaxer/redirector"):
        assert way in body.decode()
    assert (await client.json("/system/functions"))[0]["name"] == "echo"


async def test_an_image_of_the_stack_file_under_another_name(opened: Open) -> None:
    client = await opened({"echo": {"image": "acme/echo:1"}})
    await client.deploy("second", "docker.io/acme/echo:2", envVars={"A": "1"})
    _, body = await client.call("GET", "/function/second/env")
    assert json.loads(body)["env"]["A"] == "1"


async def test_a_function_of_the_stack_file_is_told_as_it_was_written(opened: Open) -> None:
    body = {"image": "acme/echo", "environment": {"N": 5, "B": True}, "labels": {"a": "b"}, "limits": {"cpu": "1"}}
    client = await opened({"echo": body})
    [told] = await client.json("/system/functions")
    assert told["image"] == "acme/echo:latest"
    assert told["envVars"] == {"N": "5", "B": "true"}
    assert (told["limits"], told["labels"]) == ({"cpu": "1"}, {"a": "b", "faas_function": "echo"})
    cli = await client.answer("GET", "/system/functions", User_Agent="faas-cli/0.18.12")
    assert json.loads(cli.body)[0]["labels"] == {"a": "b"}


async def test_an_update_takes_over_while_old_requests_end_where_they_are(opened: Open) -> None:
    client = await opened({"echo": {"image": "acme/echo:1"}})
    slow = asyncio.create_task(client.call("GET", "/function/echo/slow/0.5"))
    await eventually(lambda: client.platform.function("echo")["in_flight"] == 1)
    await client.deploy("echo", "acme/echo:1", envVars={"VERSION": "two"})
    assert json.loads((await client.call("GET", "/function/echo/env"))[1])["env"]["VERSION"] == "two"
    assert (await slow)[0] == 200


async def test_requests_that_wait_for_a_broken_version_are_served_by_the_next(opened: Open) -> None:
    client = await opened()
    build = client.project / "build" / "late"
    build.mkdir(parents=True)
    await client.call("POST", "/system/functions", {"service": "late", "image": "x", "envProcess": "sleep 1000"})
    waiting = [asyncio.create_task(client.call("GET", "/function/late/env")) for _ in range(5)]
    await eventually(lambda: client.platform.function("late")["queued"] == 5)
    await client.call("PUT", "/system/functions", {"service": "late", "image": "x", "envProcess": f"python {FUNCTION}"})
    assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * 5


async def test_requests_that_wait_for_a_removed_function_are_told(opened: Open) -> None:
    client = await opened()
    (client.project / "build" / "late").mkdir(parents=True)
    await client.deploy("late", "x", envProcess="sleep 1000")
    waiting = asyncio.create_task(client.call("GET", "/function/late"))
    await eventually(lambda: client.platform.function("late")["queued"] == 1)
    assert (await client.call("DELETE", "/system/functions", {"functionName": "late"}))[0] == 202
    assert (await waiting)[0] == 404
    assert await client.json("/system/functions") == []


async def test_the_same_name_in_two_namespaces(opened: Open) -> None:
    client = await opened()
    assert (await client.call("POST", "/system/namespace/", {"name": "dev"}))[0] == 201
    await client.deploy("fn", envProcess="echo usual")
    await client.deploy("fn", envProcess="echo other", namespace="dev")
    assert (await client.call("GET", "/function/fn"))[1] == b"usual\n"
    assert (await client.call("GET", "/function/fn.openfaas-fn"))[1] == b"usual\n"
    assert (await client.call("GET", "/function/fn.dev"))[1] == b"other\n"
    assert [each["namespace"] for each in await client.json("/system/functions?namespace=dev")] == ["dev"]
    assert (await client.call("DELETE", "/system/namespace/dev"))[0] == 202
    assert (await client.call("GET", "/function/fn.dev"))[0] == 404
    assert await client.json("/system/namespaces") == ["openfaas-fn"]


async def test_a_secret_is_a_file_and_a_new_value_comes_with_the_next_deployment(opened: Open) -> None:
    client = await opened()
    wanted: dict[str, Any] = {"envProcess": "cat /var/openfaas/secrets/key", "secrets": ["key"]}
    if client.platform.emulator.launcher.mounts_secrets is False:
        wanted["envProcess"] = 'sh -c cat${IFS}"$SECRETS_DIR"/key'
    answer = await client.call("POST", "/system/functions", {"service": "fn", "image": "functions/alpine", **wanted})
    assert answer == (400, b'unable to fetch secrets: secrets "key" not found\n')
    for method, value in (("POST", "first-of-two"), ("PUT", "second-of-two")):
        assert (await client.call(method, "/system/secrets", {"name": "key", "value": value}))[0] == 202
        await client.deploy("fn", **wanted)
        assert (await client.call("GET", "/function/fn"))[1] == value.encode()
    assert await client.json("/system/secrets") == [{"name": "key", "namespace": "openfaas-fn"}]
    assert redacted("<first-of-two>, <second-of-two>") == f"<{REDACTED}>, <{REDACTED}>", "no line of the log says them"


async def test_secrets_stay_in_their_folder(opened: Open, tmp_path: Path) -> None:
    client = await opened()
    for name in ("../escape", ".hidden", "basic-auth-password", "a/b", ""):
        assert (await client.call("POST", "/system/secrets", {"name": name, "value": "x"}))[0] == 400
    raw = {"name": "raw", "value": "trimmed", "rawValue": "ICB1bnRyaW1tZWQgCg=="}
    assert (await client.call("POST", "/system/secrets", raw))[0] == 202
    kept = tmp_path / "data" / "secrets" / "raw"
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (b"  untrimmed \n", 0o600)
    assert (await client.call("POST", "/system/secrets", {"name": "other", "rawValue": "§"}))[0] == 400


class Restarted:
    """Emulators one after the other on the same data."""

    def __init__(self, folder: Path, functions: dict[str, Any]) -> None:
        self.folder = folder
        self.stack = write_stack(folder, functions)

    async def once(self, act: Any, **more: Any) -> Any:
        settings = EmulatorSettings(
            stack_file=self.stack, data_dir=self.folder / "data", port=0, grace_s=1.0, drain_s=1.0, **more
        )
        async with Emulator(settings) as emulator, aiohttp.ClientSession() as session:
            return await act(Client(Platform(emulator, session), self.folder / "data"))


async def test_deployments_survive_a_restart(tmp_path: Path) -> None:
    echo = {"fprocess": command(), "image": "acme/echo:1"}
    world = Restarted(tmp_path, {"echo": echo, "gone": echo})

    async def change(client: Client) -> None:
        await client.call("POST", "/system/namespace/", {"name": "dev", "labels": {"a": "b"}})
        await client.deploy("added", envProcess="cat", namespace="dev")
        await client.deploy("echo", "acme/echo:2", labels={"changed": "yes"})
        await client.call("DELETE", "/system/functions", {"functionName": "gone"})

    async def look(client: Client) -> list[str]:
        assert await client.call("POST", "/function/added.dev", b"x") == (200, b"x")
        assert (await client.json("/system/namespace/dev"))["labels"] == {"a": "b"}
        return [f"{each['name']} {each['image']}" for each in await client.json("/system/functions")]

    await world.once(change)
    assert await world.once(look) == ["echo acme/echo:2"]
    world.stack = write_stack(tmp_path, {"echo": echo | {"image": "acme/echo:3"}, "gone": echo})
    assert await world.once(look) == ["echo acme/echo:3"], "what changed in the stack file is deployed anew"


async def test_logs_are_objects_a_line(opened: Open) -> None:
    client = await opened({"echo": {}})
    for word in ("one", "two", "three"):
        await client.call("GET", f"/function/echo/say/{word}")
    log = client.platform.emulator.launcher.log_of("echo")
    await eventually(lambda: len(log.tail()) == 3)
    answer = await client.answer("GET", "/system/logs?name=echo&tail=2&follow=false")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["text"] for line in lines] == ["two", "three"]
    assert (lines[0]["name"], lines[0]["namespace"]) == ("echo", "openfaas-fn")
    assert await client.call("GET", "/system/logs?name=echo&since=2999-01-01T00:00:00Z") == (200, b"")
    assert (await client.call("GET", "/system/logs?name=echo&tail=x"))[0] == 422
    assert (await client.call("GET", "/system/logs?name=echo&since=yesterday"))[0] == 422
    assert (await client.call("GET", "/system/logs?name=nobody"))[0] == 404


async def test_logs_are_followed(opened: Open) -> None:
    client = await opened({"echo": {}})
    await client.call("GET", "/function/echo/say/before")
    url = client.platform.url("/system/logs?name=echo&tail=-1&follow=true")
    async with client.platform.session.get(url, headers={"Authorization": client.authorization}) as response:
        assert json.loads(await response.content.readline())["text"] == "before"
        await client.call("GET", "/function/echo/say/after")
        assert json.loads(await response.content.readline())["text"] == "after"


async def test_replicas_as_somebody_else_decides(opened: Open) -> None:
    client = await opened()
    await client.deploy("fn", envProcess="cat", labels={"com.openfaas.scale.min": "2", "com.openfaas.scale.max": "3"})

    async def replicas() -> int:
        return int((await client.json("/system/function/fn")).get("replicas", 0))

    async def scale(body: Any) -> int:
        return (await client.call("POST", "/system/scale-function/fn", body))[0]

    assert await replicas() == 2
    assert await scale({"serviceName": "fn", "replicas": 0}) == 202
    assert await replicas() == 0
    await eventually(lambda: client.platform.function("fn")["replicas"] == [])
    assert await client.call("POST", "/function/fn", b"awake") == (200, b"awake")
    assert await replicas() == 2
    assert await scale({"serviceName": "fn", "replicas": 9}) == 202
    assert await replicas() == 3
    assert await scale(b"junk") == 400
    assert (await client.call("POST", "/system/scale-function/nobody", {"replicas": 1}))[0] == 404
    firing = {"status": "resolved", "alerts": [{"status": "resolved", "labels": {"function_name": "fn.openfaas-fn"}}]}
    assert (await client.call("POST", "/system/alert", firing))[0] == 200
    assert await replicas() == 2
    assert await client.call("POST", "/system/alert", b"x") == (400, b"Unable to parse alert, bad format.")


async def test_a_gateway_in_front_hears_of_the_provider_alone(opened: Open) -> None:
    client = await opened()
    told = await client.json("/system/info")
    assert set(told) == {"provider", "version", "arch"}
    forwarded = json.loads((await client.answer("GET", "/system/info", X_Forwarded_Host="gateway:8080")).body)
    assert forwarded == told["provider"]
    assert all(told["version"][key] for key in ("sha", "release"))


async def test_invocations_are_counted_under_the_gateways_names(opened: Open) -> None:
    client = await opened({"echo": {}})
    for path in ("", "", "/status/418"):
        await client.call("GET", f"/function/echo{path}")
    await client.call("GET", "/function/nobody")
    text = (await client.call("GET", "/metrics"))[1].decode()
    name = 'function_name="echo.openfaas-fn"'
    assert f"gateway_function_invocation_started{{{name}}} 3\n" in text
    assert f'gateway_function_invocation_total{{code="200",{name}}} 2\n' in text
    assert f'gateway_function_invocation_total{{code="418",{name}}} 1\n' in text
    assert f'gateway_functions_seconds_bucket{{code="200",{name},le="+Inf"}} 2\n' in text
    assert f"gateway_service_count{{{name}}} 1\n" in text
    found = numbers(text)
    states = ("starting", "ready", "draining")
    assert [found("sluice_emulator_replicas", state=state) for state in states] == [0, 1, 0]
    assert "nobody" not in text
    [told] = await client.json("/system/functions")
    assert told["invocationCount"] == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"envVars": {"A\0": "b"}}, "envVars must be an object of texts"),
        ({"envVars": {"A": "b\0"}}, "envVars must be an object of texts"),
        ({"envVars": {"A=B": "b"}}, "envVars must be an object of texts by names without '='"),
        ({"envVars": {"": "b"}}, "envVars must be an object of texts by names without '='"),
        ({"envVars": {"A": 1}}, "envVars must be an object of texts"),
        ({"envProcess": "cat\0"}, "envProcess must be text"),
        ({"secrets": ["a\0"]}, "secrets must be a list of texts"),
        ({"labels": []}, "labels must be an object of texts"),
        ({"labels": {"x": "\ud800"}}, "the body must be a JSON object"),
        ({"readOnlyRootFilesystem": "yes"}, "readOnlyRootFilesystem must be true or false"),
        ({"labels": {"com.openfaas.scale.min": "many"}}, "com.openfaas.scale.min must be a whole number of at least 0"),
    ],
)
async def test_a_deployment_that_no_process_could_be_started_with(
    fields: dict[str, Any], said: str, opened: Open
) -> None:
    client = await opened()
    wanted = {"service": "fn", "image": "functions/alpine", "envProcess": "cat", **fields}
    assert await client.call("POST", "/system/functions", wanted) == (400, f"{said}\n".encode())
    assert await client.json("/system/functions") == []
    assert (await client.call("GET", "/system/function/fn"))[0] == 404
