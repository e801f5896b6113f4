"""scripts/deploy.sh: each verb ends in the command that does it."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.rendering.world import ROOT

STAND_IN = '#!/bin/sh\necho "${0##*/} $*"\n'


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The script among others that only say how they were called; no Docker."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name in ("sluice", "check", "test", "secrets"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    (folder / "deploy.sh").write_text((ROOT / "scripts" / "deploy.sh").read_text())
    return folder


def say(scripts: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    tools = scripts.parent / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("sh", "dirname", "sed", "cp"):
        if not (tools / tool).exists():
            (tools / tool).symlink_to(f"/bin/{tool}" if os.access(f"/bin/{tool}", os.X_OK) else f"/usr/bin/{tool}")
    command = ["/bin/sh", "-e", str(scripts / "deploy.sh"), *words]
    return subprocess.run(command, env={"PATH": str(tools)}, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(
    ("words", "called"),
    [
        (["dev", "--port", "9090"], "sluice up --detach --port 9090"),
        (["down"], "sluice down"),
        (["check"], "check"),
        (["test", "-k", "x"], "test -k x"),
        (["logs"], "sluice logs --follow gateway"),
        (["logs", "chunk"], "sluice logs --follow chunk"),
        (["status", "--json"], "sluice status --json"),
        (["migrate", "--dry-run"], "sluice migrate --dry-run"),
        (["openapi"], "sluice openapi"),
        (["types", "--python"], "sluice types --python"),
    ],
)
def test_a_verb_is_one_command(words: list[str], called: str, scripts: Path) -> None:
    assert say(scripts, *words).stdout.strip() == called


def test_a_file_takes_what_would_be_printed(scripts: Path, tmp_path: Path) -> None:
    assert say(scripts, "openapi", str(tmp_path / "openapi.json")).stdout == ""
    assert (tmp_path / "openapi.json").read_text() == "sluice openapi\n"


@pytest.mark.parametrize("words", [[], ["help"], ["deploy"]])
def test_what_it_does_not_know_lists_what_it_does(words: list[str], scripts: Path) -> None:
    ended = say(scripts, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "deploy.sh status" in ended.stderr
