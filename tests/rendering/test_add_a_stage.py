"""Adding a stage by the steps of docs/add-a-stage.md, in a copy: it is rendered everywhere, and it runs."""

import asyncio
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from shared.runtime.healthcheck import is_well
from tests.local_http import closed_port, until
from tests.rendering.world import ROOT, Json

PARTS = ("cli", "deploy", "emulator", "functions", "gateway", "observe", "rendering", "shared", "triggers")
FILES = ("stack.yml", "resource-classes.yml", "pyproject.toml", "requirements.lock")
MAIN = '''
"""The translate function: says a text in another language."""

import os
from contextlib import asynccontextmanager

from shared.contracts.stages import ChunkRequested, TranslateRequested
from shared.events.signing import Signer
from shared.runtime import host
from shared.runtime.function import Function
from shared.settings import Environment


@asynccontextmanager
async def _open():
    yield os.environ["TRANSLATE_LANGUAGE"]


async def translated(payload, language, event):
    return None


def build():
    env = Environment(os.environ)
    signer = Signer.from_secret(env.secret("event-signing-key"))
    return Function(name="translate", open=_open, events={TranslateRequested: translated}, signer=signer)


if __name__ == "__main__":
    host.main("translate", build)
'''
CONTRACT = '''

class TranslateRequested(DocumentPayload):
    """Translate a document's text."""

    event_type: ClassVar[str] = "dev.sluice.translate.requested.v1"
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "context", "wheels")
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    for file in FILES:
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def add_the_stage(project: Path) -> None:
    page = (ROOT / "docs" / "add-a-stage.md").read_text()
    [entry] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    with (project / "stack.yml").open("a") as stack:
        stack.write("\n" + textwrap.indent(textwrap.dedent(entry), "  "))
    trigger = (project / "triggers" / "chunk.yaml").read_text()
    trigger = trigger.replace("chunk-chunk-requested", "translate-translate-requested")
    trigger = trigger.replace("chunk.requested", "translate.requested").replace("name: chunk,", "name: translate,")
    (project / "triggers" / "translate.yaml").write_text(trigger)
    stages = project / "shared" / "contracts" / "stages.py"
    stages.write_text(stages.read_text() + CONTRACT)
    registry = project / "shared" / "contracts" / "registry.py"
    line = '    "dev.sluice.translate.requested.v1": "stages:TranslateRequested",\n    "dev.sluice.pipeline.tick.v1"'
    registry.write_text(registry.read_text().replace('    "dev.sluice.pipeline.tick.v1"', line, 1))
    (project / "functions" / "translate").mkdir()
    (project / "functions" / "translate" / "__init__.py").touch()
    (project / "functions" / "translate" / "main.py").write_text(MAIN.lstrip())


def sluice(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cli.main", *words]
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(project)}
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False, timeout=90)


def test_half_a_stage_is_refused_with_what_is_missing(project: Path) -> None:
    add_the_stage(project)
    (project / "triggers" / "translate.yaml").unlink()
    ended = sluice(project, "render", "all")
    assert ended.returncode == 2
    assert "nobody handles dev.sluice.translate.requested.v1; write a Trigger" in ended.stderr


async def test_it_is_rendered_everywhere_and_runs(project: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(add_the_stage, project)
    ended = await asyncio.to_thread(sluice, project, "render", "all")
    assert ended.returncode == 0, ended.stderr
    container = _rendered_container(project / "deploy")
    await _it_runs(project, container, tmp_path / "secrets")


def _rendered_container(deploy: Path) -> Json:
    """As Knative gets it, once the other forms have it too."""
    [_, service, _] = yaml.safe_load_all((deploy / "knative" / "base" / "translate.yaml").read_text())
    [container] = service["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "TRANSLATE_LANGUAGE", "value": "en"}]
    machine: Json = yaml.safe_load((deploy / "compose" / "chunking.yaml").read_text())["services"]
    assert set(machine) == {"chunk", "translate"}
    assert "translate" in yaml.safe_load((deploy / "openfaas" / "ce.yml").read_text())["functions"]
    assert "- translate.yaml" in (deploy / "knative" / "base" / "kustomization.yaml").read_text()
    found: Json = container
    return found


async def _it_runs(project: Path, container: Json, secrets: Path) -> None:
    """With the command and the settings that its manifest has."""
    await asyncio.to_thread(_make_secret, secrets)
    port = closed_port()
    own = {each["name"]: each["value"] for each in container["env"]}
    variables = {"PATH": "", "PYTHONPATH": str(project), "PORT": str(port), "HOST": "127.0.0.1"} | own
    command = [sys.executable, *container["command"][1:]]
    process = subprocess.Popen(command, cwd=project, env=variables | {"SECRETS_DIR": str(secrets)})  # noqa: ASYNC220
    try:
        url = f"http://127.0.0.1:{port}/readyz"
        await asyncio.to_thread(_until_well, url, process)
    finally:
        process.terminate()
        await until(lambda: process.poll() is not None, timeout_s=30)


def _make_secret(folder: Path) -> None:
    folder.mkdir()
    (folder / "event-signing-key").write_text("k" * 64)


def _until_well(url: str, process: "subprocess.Popen[bytes]") -> None:
    while not is_well(url):
        assert process.poll() is None, "it ended instead of getting ready"
