"""A real nginx with the edge's configuration, for strangers and behind a balancer."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.nginx.world import World, standing
from tests.local_http import closed_port
from tests.nginx import BEHIND_A_BALANCER, Edge, edge, program


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Nobody stands before the edge: who connects is who it is."""
    async with standing() as made:
        yield made


@pytest.fixture
async def balanced() -> AsyncIterator[World]:
    """The edge believes a balancer, so that the tests can come from anywhere."""
    async with standing(BEHIND_A_BALANCER) as made:
        yield made


@pytest.fixture
async def swift() -> AsyncIterator[Edge]:
    """As `balanced`, before a gateway that takes no time: nginx itself. So a loaded machine sees bursts as bursts."""
    program()
    upstream = f"127.0.0.1:{closed_port()}"
    answering = f"server {{ listen {upstream}; return 200; }}"
    async with edge(upstream, include=BEHIND_A_BALANCER + answering) as made:
        yield made
