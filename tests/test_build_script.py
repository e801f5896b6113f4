"""scripts/build: every image with both tags, of a builder that only says how it was called."""

import os
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


def build(builder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "BUILDER": str(builder), **variables}
    command = [str(ROOT / "scripts" / "build"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def commit() -> str:
    words = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_every_image_is_built_with_the_commit_and_latest(builder: Path) -> None:
    lines = build(builder).stdout.splitlines()
    sha = commit()
    ends = [f"GIT_SHA={sha} --tag sluice/sluice-{each}:{sha} --tag sluice/sluice-{each}:latest ." for each in IMAGES]
    assert sorted(line.split("--build-arg ")[-1] for line in lines) == ends
    assert {word for line in lines for word in line.split() if word.startswith("FUNCTION=")} == {
        f"FUNCTION={each}" for each in IMAGES
    }


def test_what_is_asked_for_is_pushed_with_both_tags(builder: Path) -> None:
    """GitHub names a repository as its owner wrote it, and a registry takes no capitals."""
    said = build(builder, "--push", "chunk", "embed", SLUICE_IMAGE="ghcr.io/Owner/Sluice").stdout.splitlines()
    pushed = [line for line in said if line.startswith("push ")]
    images = [f"ghcr.io/owner/sluice-{each}" for each in ("chunk", "embed")]
    assert pushed == [f"push {image}:{tag}" for image in images for tag in (commit(), "latest")]
    assert "--build-arg BASE_IMAGE" not in said[0]


def test_a_base_of_its_own_goes_to_the_builder(builder: Path) -> None:
    assert "--build-arg BASE_IMAGE=debian:12 " in build(builder, "chunk", BASE_IMAGE="debian:12").stdout


def test_a_push_that_fails_ends_it(builder: Path) -> None:
    builder.write_text(REFUSES)
    assert build(builder, "--push", "chunk").returncode == 1
