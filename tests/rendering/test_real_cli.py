"""The real faas-cli takes stack.yml and either edition's as they are, and finds no difference afterwards."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_http import closed_port
from tests.rendering.world import ROOT, ours

pytestmark = pytest.mark.long


FILES = ("stack.yml", "deploy/openfaas/ce.yml", "deploy/openfaas/pro.yml")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A platform of our own."""
    port = closed_port()
    command = [sys.executable, "-m", "cli.main"]
    where = ["--data-dir", str(tmp_path_factory.mktemp("platform"))]
    variables = {**os.environ, "SLUICE_BASIC_AUTH": "false"}
    up = [*command, "up", "--detach", "--port", str(port), *where]
    subprocess.run(up, cwd=ROOT, env=variables, check=True, capture_output=True, timeout=110)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([*command, "down", *where], cwd=ROOT, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("file", FILES)
def test_it_deploys_and_is_then_the_same(file: str, gateway: str, tmp_path: Path) -> None:
    cli = shutil.which("faas-cli")
    if cli is None:
        pytest.skip("faas-cli is not on the PATH")
    variables = {"PATH": os.environ["PATH"], "OPENFAAS_URL": gateway, "OPENFAAS_CONFIG": str(tmp_path / "cli")}

    def say(verb: str) -> "subprocess.CompletedProcess[str]":
        command = [cli, verb, "-f", file]
        return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60)

    assert say("deploy").stdout.count("Deployed.") == len(ours().functions)
    ended = say("diff")
    assert (ended.returncode, "no differences found" in ended.stdout) == (0, True), ended.stdout
