"""The real faas-cli, where there is one (`FAAS_CLI` names it, or it is on the PATH), against the emulator."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.emulator.openfaas.conftest import Open
from tests.emulator.openfaas.test_templates import ENTRY, shrinkwrap

CLI = os.environ.get("FAAS_CLI") or shutil.which("faas-cli")
pytestmark = pytest.mark.skipif(CLI is None, reason="no faas-cli: name one in FAAS_CLI to run it")
ALPINE = {"image": "functions/alpine:latest", "skip_build": True}
STACK = {"catty": {**ALPINE, "fprocess": "cat"}, "envy": {**ALPINE, "fprocess": "env", "environment": {"A": "1"}}}


@dataclass(frozen=True)
class Said:
    exit_code: int
    text: str


Run = Callable[..., Awaitable[Said]]


@pytest.fixture
async def faas(opened: Open, tmp_path: Path) -> Run:
    """`await faas("list", "-q")`: as a person would who has logged in."""
    client = await opened({**STACK, "hello": ENTRY})
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OPENFAAS_CONFIG": str(tmp_path / "cli"),
        "OPENFAAS_URL": client.platform.base,
    }

    async def run(*words: str, stdin: str = "") -> Said:
        assert CLI is not None
        process = await asyncio.create_subprocess_exec(
            CLI,
            *words,
            cwd=tmp_path,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Said(process.returncode, output.decode())

    password = (tmp_path / "data" / "secrets" / "basic-auth-password").read_text()
    assert (await run("login", "--password-stdin", "-g", client.platform.base, stdin="wrong")).exit_code == 1
    assert (await run("login", "--password-stdin", "-g", client.platform.base, stdin=password)).exit_code == 0
    return run


async def test_a_day_with_the_cli(faas: Run, tmp_path: Path) -> None:
    assert "sluice" in (await faas("version", "--json")).text
    assert (await faas("list", "-q")).text.split() == ["catty", "envy"]
    assert (await faas("deploy", "--filter", "catty")).exit_code == 0
    assert (await faas("deploy", "--replace", "--update=false", "--filter", "catty")).exit_code == 0
    assert (await faas("deploy", "--update=false", "--filter", "catty")).exit_code == 1
    assert (await faas("deploy", "--regex", "^envy$")).exit_code == 0
    assert (await faas("ready", "envy")).exit_code == 0
    assert await faas("invoke", "catty", stdin="hi") == Said(0, "hi")
    sent = await faas("invoke", "envy", "--method", "PUT", "--query", "q=1", "-H", "X-Foo: bar", stdin="x")
    assert {"Http_Method=PUT", "Http_Query=q=1", "Http_X_Foo=bar", "A=1"} <= set(sent.text.splitlines())
    assert "submitted asynchronously" in (await faas("invoke", "catty", "--async", stdin="later")).text
    assert (await faas("invoke", "nobody", stdin="x")).exit_code == 1
    assert "Status:             Ready" in (await faas("describe", "catty")).text
    assert "Forking fprocess" in (await faas("logs", "catty", "--tail=false", "--since", "5m")).text
    assert len((await faas("logs", "catty", "--tail=false", "--lines", "2")).text.splitlines()) == 2
    assert "kind: Function" in (await faas("generate")).text
    assert (await faas("remove", "catty")).exit_code == 0
    assert (await faas("remove", "catty")).exit_code == 1


async def test_what_is_deployed_is_no_difference(faas: Run, tmp_path: Path) -> None:
    shrinkwrap(tmp_path)
    assert (await faas("deploy", "--read-template=false")).exit_code == 0
    assert (await faas("diff")).exit_code == 0
    assert (await faas("invoke", "hello", stdin="x")).text.startswith("one /")


async def test_secrets_and_namespaces(faas: Run, tmp_path: Path) -> None:
    assert "202" in (await faas("secret", "create", "key", "--from-literal", "one")).text
    assert "already exists" in (await faas("secret", "create", "key", "--from-literal", "one")).text
    assert "202" in (await faas("secret", "update", "key", "--from-literal", "two")).text
    (tmp_path / ".secrets").mkdir()
    (tmp_path / ".secrets" / "other").write_text("applied")
    assert (await faas("secret", "apply")).exit_code == 0
    assert {"key", "other"} <= set((await faas("secret", "list")).text.split())
    assert (await faas("secret", "remove", "key")).exit_code == 0
    assert (await faas("secret", "remove", "key")).exit_code == 1
    assert (await faas("namespace", "create", "dev", "--label", "a=b")).exit_code == 0
    assert "a: b" in (await faas("namespace", "get", "dev")).text
    assert (await faas("namespace", "update", "dev", "--label", "c=d")).exit_code == 0
    assert "- dev" in (await faas("namespace", "list")).text
    assert (await faas("namespace", "remove", "dev")).exit_code == 0
    assert (await faas("namespace", "get", "dev")).exit_code == 1
