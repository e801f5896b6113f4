"""The engine with every image, built once for all forms."""

import os
from collections.abc import Iterator

import pytest

from tests.containers import building
from tests.containers.engine import Engine, engine

IMAGE = os.environ.get("SLUICE_IMAGE") or "sluice/sluice"


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """Ours built now, from this tree."""
    with engine() as found:
        building.build_all(found, building.base_image(found), IMAGE)
        building.provide_others(found)
        yield found
