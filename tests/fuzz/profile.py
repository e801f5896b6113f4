"""How hard the fuzz tests try: the same few examples in every run; with `--long` new ones, a hundred times as many."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

LONG = "--long" in sys.argv
TRIES = 5000 if LONG else 50
_PROFILE = settings(max_examples=TRIES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=not LONG)

Test = TypeVar("Test", bound=Callable[..., Any])


def fuzz(test: Test) -> Test:
    """Above `given`. A long run takes the time it takes."""
    tried: Test = _PROFILE(test)
    return pytest.mark.timeout(0)(tried) if LONG else tried
