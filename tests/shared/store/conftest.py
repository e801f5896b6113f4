"""A world over a fresh database."""

import pytest

from shared.store.store import Store
from tests.shared.store.world import World


@pytest.fixture
def world(store: Store) -> World:
    return World(store)
