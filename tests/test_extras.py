"""An image installs its function's extra and nothing else, so the extra must hold all that the function can import."""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("functions", "gateway", "observe", "shared")
ENTRIES = {
    "orchestrator": ["functions.orchestrator.main"],
    "scrape": ["functions.scrape.main", "functions.scrape.worker", "functions.scrape.job", "functions.scrape.parser"],
    "chunk": ["functions.chunk.main"],
    "embed": ["functions.embed.main", "functions.embed.worker", "functions.embed.job"],
    "search": ["functions.search.main"],
    "membership": ["functions.membership.main"],
    "inference": ["functions.inference.main"],
    "gateway": ["gateway.main"],
}
# Asked for by whoever hosts a function under the framework, which has an extra of its own.
HOSTS = {"functions_framework", "starlette"}


@pytest.fixture(scope="session")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("extra", ENTRIES)
def test_an_extra_holds_what_its_function_can_import(extra: str, graph: grimp.ImportGraph) -> None:
    reached = {module for entry in ENTRIES[extra] for module in {entry} | graph.find_upstream_modules(entry)}
    outside = {module.split(".")[0] for module in reached} - set(PACKAGES) - sys.stdlib_module_names - HOSTS
    distributions = packages_distributions()
    needed = {_canonical(distributions[module][0]) for module in outside}
    assert needed <= _closure(extra), f"missing from [{extra}]: {sorted(needed - _closure(extra))}"


def _closure(extra: str) -> set[str]:
    """What the extra and the base dependencies name, and what those need themselves."""
    waiting = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]
    found: set[str] = set()
    while waiting:
        name = _canonical(re.split(r"[\s\[<>=;!~(]", waiting.pop(), maxsplit=1)[0])
        if name not in found:
            found.add(name)
            waiting += [need for need in _needs(name) if "extra ==" not in need]
    return found


def _needs(distribution: str) -> list[str]:
    """Empty for what another platform or Python would need and this one has not installed."""
    try:
        return requires(distribution) or []
    except PackageNotFoundError:
        return []


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
