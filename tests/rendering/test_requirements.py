"""An image's requirements are the part of the lock that its function needs, hashes and all."""

import re
import subprocess
import sys
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from rendering.requirements import main, wanted
from tests.rendering.world import ROOT
from tests.test_extras import ENTRIES, PROJECT, _canonical

# What reads a model package's files otherwise than we do: see scripts/lock.
LEFT_OUT = {"sentence-transformers", "torch", "huggingface-hub"}
LOCK = (ROOT / "requirements.lock").read_text()
TOML = (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("function", ENTRIES)
def test_it_holds_the_extra_and_all_that_it_needs(function: str) -> None:
    found = {_canonical(name) for name in re.findall(r"(?m)^([A-Za-z0-9._-]+)==", wanted(function, TOML, LOCK))}
    assert _closure(function) - LEFT_OUT <= found
    tools = {_canonical(re.split(r"[\s\[<>=;]", each)[0]) for each in PROJECT["optional-dependencies"]["dev"]}
    assert found & tools == set()


def test_every_pin_keeps_a_hash_and_nothing_names_an_address() -> None:
    text = wanted("chunk", TOML, LOCK)
    assert text.count("==") == len(re.findall(r"(?m)^[a-z0-9].*\\\n    --hash=sha256:", text))
    assert "://" not in text


def test_what_differs_by_python_is_there_for_each() -> None:
    pins = re.findall(r"(?m)^numpy==.*$", LOCK)
    assert len(pins) > 1, "choose another distribution with more than one version in the lock"
    assert re.findall(r"(?m)^numpy==.*$", wanted("inference", TOML, LOCK)) == pins


def test_it_runs_alone_before_anything_is_installed() -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / "rendering" / "requirements.py"), "membership", str(ROOT)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert "asyncpg==" in ended.stdout


def test_a_function_without_an_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", str(ROOT)]) == 2
    assert "translate" in capsys.readouterr().err


def test_a_stale_lock_is_told() -> None:
    with pytest.raises(ValueError, match="run scripts/lock"):
        wanted("chunk", TOML.replace('"tokenizers>=0.22"', '"unheard-of>=1"'), LOCK)


def _closure(function: str) -> set[str]:
    """What pip would find here, asking each distribution what it needs on this Python."""
    waiting = [Requirement(each) for each in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"][function])]
    found: set[str] = set()
    while waiting:
        name = _canonical(waiting.pop().name)
        if name not in found | LEFT_OUT:
            found.add(name)
            needs = [Requirement(each) for each in requires(name) or []]
            waiting += [each for each in needs if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found
