"""stack.yml deploys as it is, and what one edition alone takes is in a file of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from emulator.lint.rules import lint
from emulator.openfaas.community import Edition
from rendering import openfaas
from tests.rendering.world import ROOT, ours, problems

DESCRIPTION = ours()
FILES: list[tuple[Path, Edition]] = [
    (ROOT / "stack.yml", "ce"),
    (ROOT / "stack.yml", "pro"),
    (ROOT / "deploy" / "openfaas" / "ce.yml", "ce"),
    (ROOT / "deploy" / "openfaas" / "pro.yml", "pro"),
]


def labels(edition: openfaas.Edition, name: str) -> dict[str, str]:
    found: dict[str, str] = openfaas.stack(DESCRIPTION, edition, {})["functions"][name]["labels"]
    return {key.removeprefix("com.openfaas.scale."): value for key, value in found.items() if "scale" in key}


@pytest.mark.parametrize(("file", "edition"), FILES)
def test_its_edition_takes_all_of_it(file: Path, edition: Edition, tmp_path: Path) -> None:
    for each in (file, ROOT / "resource-classes.yml"):
        shutil.copy(each, tmp_path)
    assert lint(tmp_path / file.name, None, edition) == []


def test_community_edition_is_not_asked_for_what_it_refuses() -> None:
    assert labels("ce", "chunk") == {"min": "1", "max": "5"}
    assert labels("ce", "gateway") == {"min": "1", "max": "4"}


def test_pro_scales_to_zero_whoever_is_woken_by_a_request() -> None:
    asked = {"min": "1", "max": "10", "type": "capacity", "target": "32", "zero": "true", "zero-duration": "15m"}
    assert labels("pro", "chunk") == asked
    staying = [each.name for each in DESCRIPTION.functions if "zero" not in labels("pro", each.name)]
    assert staying == ["gateway", "orchestrator", "scrape-worker", "embed-worker"]


def test_a_class_on_nodes_of_its_own_has_a_profile() -> None:
    """Pro reads it in its own namespace. No schema of the kind is to be had: its parts are Kubernetes' own."""
    [profile] = openfaas.profiles(DESCRIPTION)
    assert (profile["apiVersion"], profile["kind"]) == ("openfaas.com/v1", "Profile")
    assert profile["metadata"] == {"name": "gpu-h100", "namespace": "openfaas"}
    pod = {"containers": [{"name": "any", "image": "any"}], **profile["spec"]}
    assert list(problems({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}, "spec": pod})) == []
    assert profile["spec"].keys() == {"tolerations"}
    assert profile["spec"]["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_a_function_of_such_a_class_asks_for_it() -> None:
    from dataclasses import replace

    gpu = replace(DESCRIPTION.function("inference"), resources=DESCRIPTION.classes["gpu-h100"])
    functions = tuple(gpu if each.name == "inference" else each for each in DESCRIPTION.functions)
    entry = openfaas.stack(replace(DESCRIPTION, functions=functions), "pro", {})["functions"]["inference"]
    assert entry["constraints"] == ["nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3"]
    assert entry["annotations"]["com.openfaas.profile"] == "gpu-h100"


def test_the_rendered_files_say_the_same_of_what_runs() -> None:
    plain = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]
    for edition in openfaas.EDITIONS:
        functions = yaml.safe_load((ROOT / "deploy" / "openfaas" / f"{edition}.yml").read_text())["functions"]
        assert list(functions) == list(plain)
        for name, entry in functions.items():
            changed = {key for key in entry.keys() | plain[name].keys() if entry.get(key) != plain[name].get(key)}
            assert changed == {"labels", "annotations"}, name


def test_the_build_context_has_what_the_dockerfile_copies(tmp_path: Path) -> None:
    """As faas-cli makes it: links followed, `build` and `template` left out."""
    context = tmp_path / "context"
    shutil.copytree(ROOT / "deploy" / "context", context, ignore=shutil.ignore_patterns("__pycache__"))
    lines = (context / "Dockerfile").read_text().splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert copied
    assert [path for path in copied if not (context / path).exists()] == []


def test_the_real_cli_builds_from_it(tmp_path: Path) -> None:
    cli = shutil.which("faas-cli")
    if cli is None:
        pytest.skip("faas-cli is not on the PATH")
    for name in ("stack.yml", "template", "deploy"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = [cli, "build", "--shrinkwrap", "-f", "stack.yml", "--filter", "chunk"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    built = tmp_path / "build" / "chunk"
    assert (built / "Dockerfile").read_text() == (ROOT / "deploy" / "Dockerfile").read_text()
    assert (built / "functions" / "chunk" / "main.py").is_file()
    assert not (built / ".git").exists()
