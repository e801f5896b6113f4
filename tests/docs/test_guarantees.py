"""What is said to show a promise is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
PROMISES = [line for line in PAGE.partition("## Bounds")[0].splitlines() if line.startswith("| ")][1:]
SHOWN = re.compile(r"`((?:tests/|docs/|test_)[\w/.]+)`|\]\((reference/[\w.]+)\)")


@pytest.mark.parametrize("promise", PROMISES, ids=lambda line: line.split("|")[1].strip()[:60])
def test_every_promise_names_what_shows_it(promise: str) -> None:
    """A name without a folder lies beside the one before it. The bounds are on the page itself."""
    shown = promise.split("|")[3]
    folder, found = ROOT, 0
    for file, page in SHOWN.findall(shown):
        place = ROOT / "docs" / page if page else (folder if file.startswith("test_") else ROOT) / file
        assert place.exists(), f"{place} is not there"
        folder, found = place.parent, found + 1
    assert found or "below" in shown
