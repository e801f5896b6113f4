"""What each function's image holds: its code, the distributions it installs, and what its processes can import."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

from rendering import description
from rendering.description import Description
from rendering.requirements import wanted

ROOT = Path(__file__).parents[1]
SHARED = ("observe", "shared")
# What a process starts beside itself, by name.
STARTED = {
    "scrape": ("functions.scrape.parser", "functions.scrape.job"),
    "embed": ("functions.embed.job",),
    "membership": ("functions.membership.admin_key",),
}
EVERYWHERE = ("shared.runtime.healthcheck", "shared.runtime.tick", "shared.store.migrate")


@dataclass(frozen=True)
class Image:
    """`folders` are copied whole; `modules` of ours and `outside` packages are what can be imported."""

    function: str
    folders: tuple[str, ...]
    distributions: tuple[str, ...]
    modules: frozenset[str]
    outside: frozenset[str]


def images(found: Description, root: Path = ROOT) -> dict[str, Image]:
    """By function. Reads the source, runs none of it."""
    import grimp  # noqa: PLC0415

    graph = grimp.build_graph("functions", "gateway", *SHARED, include_external_packages=True, cache_dir=None)
    made: dict[str, Image] = {}
    for function in sorted({each.image_of for each in found.functions}):
        entries = [each.module for each in found.functions if each.image_of == function]
        reached: set[str] = set()
        for entry in (*entries, *STARTED.get(function, ())):
            reached |= {entry} | graph.find_upstream_modules(entry)
        own = {module for module in reached if module.split(".")[0] in ("functions", "gateway", *SHARED)}
        outside = {module.split(".")[0] for module in reached - own} - sys.stdlib_module_names
        made[function] = Image(
            function, folders(function), distributions(function, root), frozenset(own), frozenset(outside)
        )
    return made


def folders(function: str) -> tuple[str, ...]:
    return ("gateway" if function == "gateway" else f"functions/{function}", *SHARED, "triggers")


def distributions(function: str, root: Path = ROOT) -> tuple[str, ...]:
    lock = wanted(function, (root / "pyproject.toml").read_text(), (root / "requirements.lock").read_text())
    return tuple(re.findall(r"(?m)^([A-Za-z0-9._-]+==[^\s;\\]+)", lock))


def uninstalled(image: Image, known: Mapping[str, Sequence[str]] | None = None) -> set[str]:
    """Packages that it can import and does not install."""
    known = packages_distributions() if known is None else known
    there = {re.sub(r"[-_.]+", "-", each.split("==")[0]).lower() for each in image.distributions}
    return {
        package
        for package in image.outside
        if not any(re.sub(r"[-_.]+", "-", each).lower() in there for each in known.get(package, ()))
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/images", description=(__doc__ or ""))
    parser.add_argument("functions", nargs="*", metavar="FUNCTION")
    args = parser.parse_args(arguments)
    found = images(description.read(ROOT, {}))
    for name in args.functions or found:
        if name not in found:
            print(f"images: there is no {name}: {', '.join(found)}", file=sys.stderr)
            return 2
        image = found[name]
        print(f"{name}\n  code: {', '.join(image.folders)} ({len(image.modules)} modules can be imported)")
        print(f"  imports: {', '.join(sorted(image.outside))}")
        print(f"  installs {len(image.distributions)}: {', '.join(image.distributions)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
