"""`sluice emulate`: a process of its own on a project of the test's own, without any pipeline."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from starlette.requests import Request
from starlette.responses import Response

from cli import running
from tests.cli.conftest import Cli
from tests.cli.test_up import alive, descendants
from tests.emulator.conftest import command, write_stack
from tests.local_http import asgi, closed_port, serving, until

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "made"}
BROKER = {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": "main", "namespace": "shop"}}
WITHOUT_RETRIES: dict[str, Any] = BROKER | {"spec": {"delivery": {}}}


def trigger(name: str, uri: str, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop"}
    kind = {"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": meta}
    return kind | {"spec": {"broker": "main", "subscriber": {"uri": uri}, **spec}}


def write_manifests(folder: Path, *manifests: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "all.yaml").write_text(yaml.safe_dump_all(manifests))
    return folder


@dataclass
class Subscriber:
    """Hears events. `/down` fails, `/again` replies with what it got, anything else is content."""

    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.heard.append((request.url.path, dict(request.headers)))
        if request.url.path == "/down":
            return Response("no", 500)
        if request.url.path == "/again":
            return Response("", 200, {name: value for name, value in request.headers.items() if name[:3] == "ce-"})
        return Response("", 204)

    def paths(self) -> list[str]:
        return [path for path, _ in self.heard]


@asynccontextmanager
async def emulating(sluice: Cli, *arguments: str) -> AsyncIterator[str]:
    """Ready inside; after it, Ctrl-C has ended it cleanly."""
    port = str(closed_port())
    process = await sluice.start("emulate", "--port", port, *arguments)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while b"ready on" not in (line := await process.stderr.readline()):
                assert line, "it ended before it was ready"
        family = descendants(sluice.folder / ".sluice")
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        assert not alive(family), "nothing is left"
        assert running.read(sluice.folder / ".sluice") is None
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def post(url: str, headers: dict[str, str], body: bytes = b"{}") -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, headers=headers, data=body) as response:
        return response.status, await response.text()


async def test_functions_and_triggers_of_any_project(sluice: Cli) -> None:
    stack = write_stack(sluice.folder, {"echo": {"fprocess": command()}})
    heard = Subscriber()
    async with serving(asgi(heard)) as there:
        manifests = write_manifests(
            sluice.folder / "m",
            BROKER,
            trigger("out", f"{there}/in", filter={"attributes": {"type": "made"}}),
            trigger("bad", f"{there}/down", delivery={"deadLetterSink": {"uri": f"{there}/dead"}}),
            trigger("fn", "http://echo.shop.svc.cluster.local/say/received"),
        )
        async with emulating(sluice, "--stack", str(stack), "--manifests", str(manifests)) as url:
            assert (await post(f"{url}/function/echo/hello", {}))[0] == 200
            assert (await post(f"{url}/broker/shop/main", EVENT))[0] == 202
            await until(lambda: sorted(heard.paths()) == ["/dead", "/down", "/in"])
            status = (await sluice("status", "--json")).json()
            log = sluice.folder / ".sluice/logs/echo.log"
            await until(lambda: log.exists() and "received" in log.read_text())
    assert (status["ready"], [one["name"] for one in status["functions"]]) == (True, ["echo"])
    dead = dict(heard.heard)["/dead"]
    assert dead["ce-knativeerrorcode"] == "500"
    assert dead["ce-knativeerrordest"] == f"{there}/down"


async def test_manifests_alone_with_the_in_memory_trap_and_few_hops(sluice: Cli) -> None:
    heard = Subscriber()
    async with serving(asgi(heard)) as there:
        manifests = write_manifests(sluice.folder / "m", WITHOUT_RETRIES, trigger("loop", f"{there}/again"))
        where = ("--manifests", str(manifests), "--broker-ack", "imc-sync", "--broker-ttl", "3")
        async with emulating(sluice, *where) as url:
            status, _ = await post(f"{url}/broker/shop/main", EVENT)
    assert status == 500, "the last hop is refused, and in memory that comes back to the producer"
    assert len(heard.heard) == 3


async def test_knative_services_run_without_an_image(sluice: Cli) -> None:
    code = (
        "import http.server, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(GREETING)\n"
        "import os; GREETING = os.environ['GREETING'].encode()\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"
    )
    container = {
        "image": "registry.example/hello",
        "command": ["python", "-c", code, "$(PORT)"],
        "env": [{"name": "GREETING", "value": "good day"}],
        "readinessProbe": {"httpGet": {"path": "/"}},
        "workingDir": "/app",
    }
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    manifests = write_manifests(sluice.folder / "m", service)
    async with emulating(sluice, "--manifests", str(manifests)) as url, aiohttp.ClientSession() as session:
        response = await session.get(f"{url}/function/hello.shop/")
        assert (response.status, await response.text()) == (200, "good day")


async def test_what_stands_in_the_way_of_being_ready_is_told(sluice: Cli) -> None:
    body = {"fprocess": command(), "secrets": ["token"], "labels": {"com.openfaas.scale.min": "1"}}
    stack = write_stack(sluice.folder, {"echo": body})
    process = await sluice.start("emulate", "--port", str(closed_port()), "--stack", str(stack))
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while b"echo: secret token does not exist" not in (line := await process.stderr.readline()):
            assert line, "it ended without a word"
    process.send_signal(signal.SIGTERM)
    assert (await process.communicate(), process.returncode)[1] == 0


async def test_what_cannot_be_started_is_told_with_its_field(sluice: Cli) -> None:
    ended = await sluice("emulate", "--port", str(closed_port()))
    assert (ended.code, "--manifests DIR" in ended.err) == (2, True)
    manifests = write_manifests(sluice.folder / "m", BROKER, trigger("odd", "nonsense"))
    ended = await sluice("emulate", "--port", str(closed_port()), "--manifests", str(manifests))
    assert ended.code == 2
    assert "all.yaml: spec.subscriber.uri: must be an absolute http or https URL" in ended.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = await sluice("emulate", "--port", port, "--manifests", str(manifests))
    assert (ended.code, f"port {port} cannot be used" in ended.err) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [("--stack", "no.yml"), ("--manifests", "no"), ("--broker-ttl", "0"), ("--broker-ack", "soon"), ("--port", "0")],
)
async def test_bad_usage(sluice: Cli, arguments: tuple[str, str]) -> None:
    ended = await sluice("emulate", *arguments)
    assert (ended.code, ended.out) == (2, "")


async def test_a_killed_emulator_leaves_neither_templates_nor_what_they_forked(sluice: Cli) -> None:
    sluice = replace(sluice, environment={**sluice.environment, "SLUICE_IDLE_SECONDS": "0.3"})
    stack = write_stack(sluice.folder, {"echo": {"fprocess": command()}})
    port = str(closed_port())
    process = await sluice.start("emulate", "--port", port, "--stack", str(stack))
    try:
        url = f"http://127.0.0.1:{port}/function/echo/env"
        await until(lambda: running.read(sluice.folder / ".sluice") is not None)
        log = sluice.folder / ".sluice/logs/emulator.log"
        async with asyncio.timeout(60):
            while not (log.exists() and "forked from its template" in log.read_text()):
                with suppress(aiohttp.ClientError):
                    await post(url, {})
                await asyncio.sleep(2.5)  # at zero by then, with its template made or being made
        family = descendants(sluice.folder / ".sluice")
        assert len(family) >= 2
        process.kill()
        await process.wait()
        await until(lambda: not alive(family))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
