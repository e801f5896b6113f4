"""Where the evaluation data lies: beside the project, not in it."""

from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2] / "shared"


def path(relative: str) -> Path:
    """A file or folder of the evaluation data; the test skips where it is absent."""
    found = _ROOT / relative
    if not found.exists():
        pytest.skip(f"evaluation data is not here: {relative}")
    return found
