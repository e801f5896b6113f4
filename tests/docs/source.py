"""What the source says of itself, for the tests that hold the reference pages to it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"


@dataclass(frozen=True)
class Module:
    path: str
    tree: ast.Module

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """(name, call) of every call of a plain name or a method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and (name := name_of(node.func)):
                yield name, node


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    files = sorted(file for package in packages for file in (ROOT / package).rglob("*.py"))
    return tuple(Module(str(file.relative_to(ROOT)), ast.parse(file.read_text())) for file in files)


def name_of(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def text_of(node: ast.expr) -> str | None:
    """A constant; of an f-string, `http_{status}` as `http_<status>`."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or f"<{_inner_name(part)}>" for part in node.values)
    return None


def _inner_name(part: ast.expr) -> str:
    inner = name_of(part.value) if isinstance(part, ast.FormattedValue) else None
    return (inner or "?").lstrip("_")


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page whose first cell is code."""
    lines = (PAGES / page).read_text().splitlines()
    cells = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `"))
    return [[re.sub(r"^`|`$", "", row[0].strip()), *(cell.strip() for cell in row[1:])] for row in cells]
