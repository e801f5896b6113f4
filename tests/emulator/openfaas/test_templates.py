"""Functions made from a template: what `faas-cli build --shrinkwrap` leaves runs as it is, on ports of ours."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from emulator.manifests import function_spec
from emulator.openfaas.code import built, startable
from shared.errors import InvalidInput
from tests.emulator.openfaas.conftest import Open

DOCKERFILE = """FROM python:3.12-alpine
ENV PATH=$PATH:/home/app/.local/bin
ENV fprocess="python index.py"
ENV cgi_headers="true" mode="http"
ENV upstream_url="http://127.0.0.1:{port}"
CMD ["fwatchdog"]
"""
# As the templates are written: the port is in the code, the handler in a folder beside.
INDEX = """import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from function import handler

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = handler.handle(self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST

ThreadingHTTPServer(("0.0.0.0", {port}), Handler).serve_forever()
"""
HANDLER = "import os\n\ndef handle(path):\n    return f'{word} {{path}} {{os.getpid()}}'\n"
ENTRY = {"lang": "python3-http", "handler": "./hello", "image": "acme/hello:1", "fprocess": None}


def shrinkwrap(project: Path, word: str = "one", port: int = 5000) -> Path:
    folder = project / "build" / "hello"
    (folder / "function").mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text(DOCKERFILE.format(port=port))
    (folder / "index.py").write_text(INDEX.format(port=port))
    (folder / "function" / "handler.py").write_text(HANDLER.format(word=word))
    return folder


async def test_the_live_reload_loop_of_the_cli(opened: Open, tmp_path: Path) -> None:
    """`up --skip-push --shrinkwrap --watch` builds, deploys, and does both again after each change."""
    client = await opened({"hello": ENTRY})
    wanted = {"service": "hello", "image": "acme/hello:1", "envProcess": "python index.py"}
    status, said = await client.call("POST", "/system/functions", wanted)
    assert (status, said) == (400, b"hello is not built yet: faas-cli build --shrinkwrap --filter hello\n")
    for word in ("one", "two"):
        shrinkwrap(tmp_path, word)
        await client.deploy(**wanted)
        status, body = await client.call("POST", "/function/hello/x", b"in")
        assert (status, body.split()[:2]) == (200, [word.encode(), b"/x"])
    assert (await client.json("/system/functions"))[0]["envProcess"] == "python index.py"


async def test_replicas_of_one_template_do_not_fight_for_its_port(opened: Open, tmp_path: Path) -> None:
    shrinkwrap(tmp_path)
    labels = {"com.openfaas.scale.min": "2", "com.openfaas.scale.max": "2"}
    client = await opened({"hello": {**ENTRY, "labels": labels}})

    async def answered() -> bytes:
        return (await client.call("POST", "/function/hello", b""))[1]

    found: set[bytes] = set()
    async with asyncio.timeout(20):
        while len(found) < 2:
            found.add(await answered())
    assert all(each.startswith(b"one /") for each in found)


async def test_what_was_built_runs_from_the_start(opened: Open, tmp_path: Path) -> None:
    shrinkwrap(tmp_path)
    client = await opened({"hello": ENTRY, "other": {**ENTRY, "image": "acme/other:1"}})
    assert (await client.call("GET", "/function/hello/"))[1].startswith(b"one /")
    [told] = await client.json("/system/functions")
    assert told["name"] == "hello", "what is not built yet is not there"
    assert "envVars" not in told, "what the Dockerfile sets is no difference to the stack file"


async def test_its_image_under_another_name(opened: Open, tmp_path: Path) -> None:
    shrinkwrap(tmp_path)
    client = await opened({"hello": ENTRY})
    await client.deploy("second", "docker.io/acme/hello:2")
    assert (await client.call("GET", "/function/second"))[1].startswith(b"one /")


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ("python index.py", ("python", "ON_PORT", "5000", "index.py")),
        ("python3 -u index.py a", ("python3", "-u", "ON_PORT", "5000", "index.py", "a")),
        ("python3.12 -m app --x", ("python3.12", "ON_PORT", "5000", "-m", "app", "--x")),
        ("node bundle.js", ("env", "http_port=$(PORT)", "node", "bundle.js")),
    ],
)
def test_how_a_template_learns_of_its_port(process: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    code = built(shrinkwrap(tmp_path), process)
    assert code is not None
    assert tuple("ON_PORT" if word.endswith("on_port.py") else word for word in code.command) == expected
    assert code.environment == {
        "fprocess": "python index.py",
        "cgi_headers": "true",
        "mode": "http",
        "upstream_url": "http://127.0.0.1:5000",
    }


def test_what_is_built_lies_in_its_folder(tmp_path: Path) -> None:
    code = built(shrinkwrap(tmp_path), "")
    assert code is not None
    assert code.folder == tmp_path / "build" / "hello"
    assert built(tmp_path / "build" / "nothing", "python index.py") is None


def spec_of(body: dict[str, Any], project: Path) -> Any:
    return function_spec("fn", {"image": "acme/fn:1", **body}, project, {})


def test_a_dockerfile_s_function_runs_where_its_code_is(tmp_path: Path) -> None:
    (tmp_path / "fn").mkdir()
    (tmp_path / "fn" / "main.py").touch()
    body = {"lang": "Dockerfile", "handler": "./fn"}
    inside = spec_of(body | {"fprocess": "python main.py"}, tmp_path)
    assert (inside.folder, inside.is_built) == (tmp_path / "fn", False)
    assert spec_of(body | {"fprocess": "python -m main"}, tmp_path).folder == tmp_path / "fn"
    assert spec_of(body | {"fprocess": "python fn/main.py"}, tmp_path).folder == tmp_path
    assert spec_of(body | {"fprocess": "sleep 1"}, tmp_path).folder == tmp_path


def test_an_entry_that_says_nothing_to_run(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="fprocess"):
        spec_of({}, tmp_path)
    assert startable(spec_of({"lang": "go"}, tmp_path), tmp_path) is None
    redirector = startable(spec_of({"image": "theaxer/redirector"}, tmp_path), tmp_path)
    assert redirector is not None
    assert redirector.command[-1] == "redirector"


def test_a_build_that_cannot_be_told_how_to_run(tmp_path: Path) -> None:
    (tmp_path / "build" / "fn").mkdir(parents=True)
    with pytest.raises(InvalidInput, match="Dockerfile"):
        startable(spec_of({"lang": "go"}, tmp_path), tmp_path)
