"""scripts/build: every image with both tags, of a builder that only says how it was called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rendering.world import ROOT, ours

SAYS = '#!/bin/sh\necho "$*"\n'
REFUSES = '#!/bin/sh\n[ "$1" != push ] || exit 1\n'
IMAGES = sorted({each.image_of for each in ours().functions})


@pytest.fixture
def builder(tmp_path: Path) -> Path:
    file = tmp_path / "builder"
    file.write_text(SAYS)
    file.chmod(0o755)
    return file


def build(project: Path, builder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "BUILDER": str(builder), **variables}
    command = [str(project / "scripts" / "build"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A commit of what the script reads."""
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    for name in ("stack.yml", "scripts/build"):
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


def test_every_image_is_built_with_the_commit_and_latest(project: Path, builder: Path) -> None:
    lines = build(project, builder).stdout.splitlines()
    sha = git(project, "rev-parse", "--short=12", "HEAD")
    ends = [f"GIT_SHA={sha} --tag sluice/sluice-{each}:{sha} --tag sluice/sluice-{each}:latest ." for each in IMAGES]
    assert sorted(line.split("--build-arg ")[-1] for line in lines) == ends
    assert {word for line in lines for word in line.split() if word.startswith("FUNCTION=")} == {
        f"FUNCTION={each}" for each in IMAGES
    }


def test_what_is_asked_for_is_pushed_with_both_tags(project: Path, builder: Path) -> None:
    """GitHub names a repository as its owner wrote it, and a registry takes no capitals."""
    sha = git(project, "rev-parse", "--short=12", "HEAD")
    said = build(project, builder, "--push", "chunk", "embed", SLUICE_IMAGE="ghcr.io/Owner/Sluice").stdout.splitlines()
    pushed = [line for line in said if line.startswith("push ")]
    images = [f"ghcr.io/owner/sluice-{each}" for each in ("chunk", "embed")]
    assert pushed == [f"push {image}:{tag}" for image in images for tag in (sha, "latest")]
    assert "--build-arg BASE_IMAGE" not in said[0]


def test_what_is_not_committed_is_not_called_by_the_commit(project: Path, builder: Path) -> None:
    with (project / "stack.yml").open("a") as stack:
        stack.write("# changed\n")
    sha = git(project, "rev-parse", "--short=12", "HEAD")
    assert f"--tag sluice/sluice-chunk:{sha}-dirty " in build(project, builder, "chunk").stdout


def test_a_base_of_its_own_goes_to_the_builder(project: Path, builder: Path) -> None:
    assert "--build-arg BASE_IMAGE=debian:12 " in build(project, builder, "chunk", BASE_IMAGE="debian:12").stdout


def test_a_push_that_fails_ends_it(project: Path, builder: Path) -> None:
    builder.write_text(REFUSES)
    assert build(project, builder, "--push", "chunk").returncode == 1
