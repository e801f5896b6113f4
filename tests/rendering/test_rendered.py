"""What is committed below deploy/ is what the description gives, and the command writes it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.main import main
from rendering import description, knative, tree
from tests.rendering.world import ROOT, copied


def rendered() -> dict[str, str]:
    return tree.files(description.read(ROOT, {}), description.read(ROOT, None), description.provider(ROOT))


def test_a_fresh_render_is_what_is_committed() -> None:
    """After a change: `sluice render all`."""
    found = rendered()
    stale = [name for name, text in found.items() if not _same(ROOT / "deploy" / name, text)]
    assert stale == []
    assert tree.left_over(ROOT / "deploy", found) == set()


def _same(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text() == text


def test_the_command_writes_checks_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = copied(tmp_path)
    command = ["render", "--project", str(project), "all"]
    assert main([*command, "--check"]) == 1
    assert main(command) == 0
    assert main([*command, "--check"]) == 0
    gone = project / "deploy" / "keda" / "gone.yaml"
    gone.write_text("{}")
    (project / "deploy" / "compose" / ".env").write_text("mine=1\n")
    assert main([*command, "--check"]) == 1
    assert "gone.yaml" in capsys.readouterr().err
    assert main(command) == 0
    assert not gone.exists()
    assert (project / "deploy" / "compose" / ".env").exists(), "what an operator keeps there stays"


@pytest.mark.parametrize(
    "words",
    [
        ["knative", "--overlay", "h100"],
        ["knative", "--overlay", "cpu", "--tick", "ping"],
        ["keda", "--overlay", "h100"],
        ["openfaas", "--edition", "ce"],
        ["openfaas", "--edition", "pro"],
        ["openfaas", "--edition", "pro", "--profiles"],
        ["compose"],
        ["compose", "--machine", "scraper"],
    ],
)
def test_each_form_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", *words]) == 0
    assert all(isinstance(each, dict) for each in yaml.safe_load_all(capsys.readouterr().out))


def test_the_object_store_is_the_one_that_the_environment_names() -> None:
    """On Knative as on OpenFaaS: without it, an operator edits what is rendered."""
    found = description.read(ROOT, {"OBJECT_STORE_URL": "s3://mine/pages"})
    [settings] = knative.base(found)["settings.yaml"]
    assert settings["data"]["OBJECT_STORE_URL"] == "s3://mine/pages"


def test_the_images_are_those_that_the_environment_names() -> None:
    variables = {"SLUICE_IMAGE": "registry.example/team/sluice", "SLUICE_TAG": "0a1b2c3", "PATH": "/bin"}
    command = [sys.executable, "-m", "cli.main", "render", "knative"]
    ended = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "image: registry.example/team/sluice-chunk:0a1b2c3" in ended.stdout


@pytest.mark.parametrize("words", [["knative", "--overlay", "tpu"], ["compose", "--machine", "sixth"]])
def test_what_is_not_there_is_bad_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", *words]) == 2
    assert "there is no" in capsys.readouterr().err
