"""The part of requirements.lock that one function's image installs: its extra, and what that needs.

    python requirements.py FUNCTION [FOLDER] >wanted.lock

Runs inside a build, before anything is installed: nothing but the standard library is imported.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = "sluice (pyproject.toml)"


def wanted(function: str, project: str, lock: str) -> str:
    """Blocks of the lock, hashes and all, as `pip --require-hashes` reads them. Raises `KeyError` for no such extra."""
    tables = tomllib.loads(project)["project"]
    asked = {_canonical(each) for each in (*tables["dependencies"], *tables["optional-dependencies"][function])}
    blocks = list(_blocks(lock))
    parents: dict[str, set[str]] = {}
    for name, block in blocks:  # a name stands twice where one version does not fit every Python
        parents.setdefault(name, set()).update(_parents(block))
    missing = asked - parents.keys()
    if missing:
        raise ValueError(f"requirements.lock lacks {', '.join(sorted(missing))}; run scripts/lock")
    needed = _closure(asked, parents)
    return "\n".join(_without_comments(block) for name, block in blocks if name in needed) + "\n"


def _blocks(lock: str) -> Iterator[tuple[str, str]]:
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", lock):
        if name := re.match(r"[A-Za-z0-9._-]+", block):
            yield _canonical(name[0]), block.rstrip()


def _parents(block: str) -> set[str]:
    """Who asks for it, as the comments below each pin say."""
    said = re.findall(r"(?m)^    # (?:via| ) ?(\S.*)$", block)
    return {_canonical(each) for each in said if each != PROJECT}


def _closure(asked: set[str], parents: dict[str, set[str]]) -> set[str]:
    found = set(asked)
    while added := {name for name, of in parents.items() if of & found} - found:
        found |= added
    return found


def _without_comments(block: str) -> str:
    return "\n".join(line for line in block.splitlines() if not line.lstrip().startswith("#"))


def _canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=;!~(]", requirement, maxsplit=1)[0]).lower()


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[1] if len(arguments) == 2 else ".")
    try:
        text = wanted(arguments[0], (folder / "pyproject.toml").read_text(), (folder / "requirements.lock").read_text())
    except KeyError:
        print(f"requirements: pyproject.toml has no extra named {arguments[0]}", file=sys.stderr)
        return 2
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
