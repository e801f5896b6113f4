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


DOCKER = """#!/bin/sh
case "$2" in version) exit 0 ;; esac
case "$*" in *"ps --quiet") echo 1f2e ;; *) echo "docker $*" | sed "s#$HERE##g" ;; esac
"""


@pytest.fixture
def docker(scripts: Path) -> Path:
    """An engine that runs the platform, and says how it is called."""
    compose = scripts.parent / "deploy" / "compose"
    compose.mkdir(parents=True)
    (compose / ".env.example").write_text("SLUICE_TAG=latest\n")
    tools = scripts.parent / "tools"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER.replace("$HERE", f"{scripts}/../deploy/compose/*"))
    (tools / "docker").chmod(0o755)
    return compose


@pytest.mark.parametrize(
    ("words", "called"),
    [
        (["down"], "down"),
        (["status"], "ps"),
        (["logs", "chunk"], "logs --follow chunk"),
    ],
)
def test_where_compose_runs_it_a_verb_is_of_compose(words: list[str], called: str, scripts: Path, docker: Path) -> None:
    assert say(scripts, *words).stdout.strip() == f"docker compose -f compose.yaml --project-directory  {called}"


@pytest.mark.parametrize(("option", "images"), [("--build", "--build"), ("--pull", "--no-build --pull missing")])
def test_secrets_and_env_are_made_before_it_starts(option: str, images: str, scripts: Path, docker: Path) -> None:
    """An .env that is there stays."""
    lines = say(scripts, "dev", option).stdout.splitlines()
    assert lines[0].startswith("secrets ")
    assert lines[1] == f"docker compose -f compose.yaml --project-directory  up {images} --detach --wait"
    (docker / ".env").write_text("mine\n")
    assert say(scripts, "dev", option).returncode == 0
    assert (docker / ".env").read_text() == "mine\n"


def test_without_compose_s_plugin_it_says_what_is_missing(scripts: Path, docker: Path) -> None:
    (scripts.parent / "tools" / "docker").write_text("#!/bin/sh\nexit 1\n")
    ended = say(scripts, "dev", "--build")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "docker with its compose plugin" in ended.stderr
    assert not (docker / ".env").exists()


def test_a_file_takes_what_would_be_printed(scripts: Path, tmp_path: Path) -> None:
    assert say(scripts, "openapi", str(tmp_path / "openapi.json")).stdout == ""
    assert (tmp_path / "openapi.json").read_text() == "sluice openapi\n"


@pytest.mark.parametrize("words", [[], ["help"], ["deploy"]])
def test_what_it_does_not_know_lists_what_it_does(words: list[str], scripts: Path) -> None:
    ended = say(scripts, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("What operators"), "and no line of its own code"
    assert "deploy.sh status" in ended.stderr
