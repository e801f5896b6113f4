"""What the public certifier asks of a provider, test by test under its names, without its half minutes of sleep."""

import json
from typing import Any

import pytest

from tests.emulator.conftest import eventually
from tests.emulator.openfaas.conftest import Open
from tests.emulator.openfaas.world import Client, once

ALPINE = "docker.io/functions/alpine:latest"
SCALE = "com.openfaas.scale"
NAMESPACES = ("openfaas-fn", "certifier-test")
# With the characters that a badly quoted one would lose.
ANNOTATION = json.dumps({"glossary": {"title": "a, b: c", "GlossSee": ["markup", "<GML>"]}}, indent=1)


@pytest.fixture
async def client(opened: Open) -> Client:
    """Of an emulator with the namespaces that the certifier is told of, and nothing in them."""
    found = await opened()
    assert (await found.call("POST", "/system/namespace/", {"name": "certifier-test"}))[0] == 201
    return found


def named(service: str, namespace: str) -> str:
    return f"/function/{service}" if namespace == "openfaas-fn" else f"/function/{service}.{namespace}"


async def told(client: Client, service: str, namespace: str = "openfaas-fn") -> dict[str, Any]:
    found: dict[str, Any] = await client.json(f"/system/function/{service}?namespace={namespace}")
    return found


METADATA: list[tuple[str, dict[str, Any]]] = [
    ("stronghash", {"envProcess": "sha512sum"}),
    ("env-test-labels", {"envProcess": "env", "labels": {"upstream_uri": "example.com", "canary_build": "true"}}),
    ("env-test-annotations", {"envProcess": "env", "annotations": {"important-date": "now", "some-json": ANNOTATION}}),
    ("memory-limit", {"envProcess": "env", "limits": {"memory": "5Mi", "cpu": "100m"}}),
]


async def test_deploy_meta_data(client: Client) -> None:
    for namespace in NAMESPACES:
        for service, fields in METADATA:
            await client.deploy(service, ALPINE, namespace=namespace, **fields)
            seen = await told(client, service, namespace)
            assert (seen["name"], seen["namespace"], seen["image"]) == (service, namespace, ALPINE)
            assert seen["envProcess"] == fields["envProcess"]
            assert seen["labels"] == {**fields.get("labels", {}), "faas_function": service}
            assert seen["annotations"] == fields.get("annotations", {})
            assert seen.get("limits") == fields.get("limits")
            assert "envVars" not in seen
        listed = await client.json(f"/system/functions?namespace={namespace}")
        assert [each["name"] for each in listed] == sorted(service for service, _ in METADATA)


async def test_list_namespaces(client: Client) -> None:
    assert sorted(await client.json("/system/namespaces")) == sorted(NAMESPACES)


async def test_health_endpoint(client: Client) -> None:
    assert (await client.answer("GET", "/healthz", Authorization="")).status == 200


async def test_provider_info(client: Client) -> None:
    info = await client.json("/system/info")
    assert info["provider"]["provider"] not in ("", "faasd"), "faasd is not asked to scale"
    assert info["provider"]["orchestration"]
    assert all(version[key] for version in (info["version"], info["provider"]["version"]) for key in ("sha", "release"))


async def test_invoke_not_found(client: Client) -> None:
    assert (await client.call("POST", "/function/.openfaas-fn", b""))[0] in (404, 502)


async def test_invoke(client: Client) -> None:
    for namespace in NAMESPACES:
        await client.deploy("env-test-verbs", ALPINE, namespace=namespace, envProcess="env")
        for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = await client.answer(verb, named("env-test-verbs", namespace), b"")
            assert (answer.status, f"Http_Method={verb}" in answer.body.decode()) == (200, True)
            assert all(header in answer.headers for header in ("X-Call-Id", "X-Start-Time"))
        there = {"destination": "http://example.com"}
        await client.deploy("redirector-test", "theaxer/redirector:latest", namespace=namespace, envVars=there)
        answer = await client.answer("GET", named("redirector-test", namespace))
        assert (answer.status, answer.headers["Location"]) == (302, "http://example.com")
        await client.deploy("env-test", ALPINE, namespace=namespace, envProcess="env", envVars={"custom_env": "custom"})
        _, body = await client.call("POST", named("env-test", namespace), b"")
        assert b"custom_env=custom" in body
        assert b"Http_Query" not in body
        _, body = await client.call("POST", f"{named('env-test', namespace)}?testing=1", b"")
        assert b"Http_Query=testing=1" in body


async def test_function_logs(client: Client) -> None:
    for namespace in NAMESPACES:
        await client.deploy("test-logger", ALPINE, namespace=namespace, envProcess="cat")
        sent = namespace.encode()
        assert await client.call("POST", named("test-logger", namespace), sent) == (200, sent)
        target = f"/system/logs?name=test-logger&namespace={namespace}&tail=-1&follow=false"

        async def printed(target: str = target) -> str:
            return (await client.call("GET", target))[1].decode()

        text = await once(printed, lambda text: "Wrote" in text)
        lines = [json.loads(line)["text"].split(" ", 2)[2] for line in text.splitlines()]
        assert any(line.startswith("Forking fprocess") for line in lines)
        assert any(line.startswith(f"Wrote {len(sent)} Bytes") for line in lines)


async def test_scale_minimum(client: Client) -> None:
    await client.deploy("test-min-scale", ALPINE, envProcess="sha512sum", labels={f"{SCALE}.min": "2"})
    assert (await told(client, "test-min-scale"))["replicas"] == 2


async def test_scale_from_zero_during_invoke(client: Client) -> None:
    await client.deploy("test-scale-from-zero", ALPINE, envProcess="sha512sum")
    await eventually(lambda: client.platform.function("test-scale-from-zero")["ready"])
    wanted = {"serviceName": "test-scale-from-zero", "replicas": 0}
    assert (await client.call("POST", "/system/scale-function/test-scale-from-zero", wanted))[0] == 202
    assert "replicas" not in await told(client, "test-scale-from-zero")
    assert (await client.call("POST", "/function/test-scale-from-zero", b""))[0] == 200


async def test_scale_up_and_down_from_throughput(client: Client) -> None:
    labels = {f"{SCALE}.min": "1", f"{SCALE}.max": "2"}
    await client.deploy("test-throughput-scaling", ALPINE, envProcess="true", labels=labels)

    async def replicas() -> int:
        return int((await told(client, "test-throughput-scaling"))["replicas"])

    async def loaded() -> int:
        await client.call("POST", "/function/test-throughput-scaling", b"")
        return await replicas()

    await once(loaded, lambda count: count == 2, 60)
    await once(replicas, lambda count: count == 1, 60)


async def test_scaling_disabled_via_labels(client: Client) -> None:
    labels = {f"{SCALE}.min": "2", f"{SCALE}.max": "2"}
    await client.deploy("test-scaling-disabled", ALPINE, envProcess="true", labels=labels)
    for _ in range(40):
        assert (await client.call("POST", "/function/test-scaling-disabled", b""))[0] == 200
        assert (await told(client, "test-scaling-disabled"))["replicas"] == 2


async def test_scale_to_zero(client: Client) -> None:
    """The certifier skips its own, which cannot pass; this is what it means to ask."""
    labels = {f"{SCALE}.zero": "true", f"{SCALE}.zero-duration": "1s"}
    await client.deploy("test-scaling-to-zero", ALPINE, envProcess="cat", labels=labels)
    assert (await client.call("POST", "/function/test-scaling-to-zero", b"x")) == (200, b"x")
    await once(lambda: told(client, "test-scaling-to-zero"), lambda seen: "replicas" not in seen, 30)
    assert (await client.call("POST", "/function/test-scaling-to-zero", b"y")) == (200, b"y")


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("field", ["value", "rawValue"])
async def test_secret_crud(namespace: str, field: str, client: Client) -> None:
    values = {"value": ("this-is-the-secret", "updated-value"), "rawValue": ("dGhpcy1pcw==", "dXBkYXRlZA==")}[field]
    seen = {"value": values, "rawValue": ("this-is", "updated")}[field]
    secret = {"name": "secret-name", "namespace": namespace}
    wanted: dict[str, Any] = {"envProcess": "cat /var/openfaas/secrets/secret-name", "secrets": ["secret-name"]}
    if not client.platform.emulator.launcher.mounts_secrets:
        wanted["envProcess"] = 'sh -c cat${IFS}"$SECRETS_DIR"/secret-name'
    for method, value, expected in zip(("POST", "PUT"), values, seen, strict=True):
        assert (await client.call(method, "/system/secrets", {**secret, field: value}))[0] == 202
        assert secret in await client.json(f"/system/secrets?namespace={namespace}")
        await client.deploy("test-secret-crud", ALPINE, namespace=namespace, **wanted)
        assert await client.call("GET", named("test-secret-crud", namespace)) == (200, expected.encode())
    assert (await client.call("DELETE", "/system/secrets", secret))[0] == 202
    assert await client.json(f"/system/secrets?namespace={namespace}") == []
