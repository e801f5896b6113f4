"""A revoked key, between real parts: Membership, a gateway and a function that somebody calls directly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from functions.membership import main as membership
from functions.membership.admin_key import make
from functions.search import main as search
from shared.auth.membership import MembershipSettings
from shared.settings import Environment
from shared.store.store import Store
from tests.fakes.embeddings import FakeEmbeddings
from tests.gateway.conftest import gateway_on
from tests.gateway.whole import secrets, served

CACHED_S = 1.0


@dataclass
class Doors:
    """Where a key is asked for, and Membership itself."""

    gateway: httpx.AsyncClient
    function: httpx.AsyncClient
    members: httpx.AsyncClient

    async def statuses(self, key: str) -> tuple[int, int]:
        """What a key gets at the gateway, and at the function."""
        headers = {"X-API-Key": key}
        first = await self.gateway.get("/api/corpora", headers=headers)
        second = await self.function.post("/", json={"query": "anything"}, headers=headers)
        return first.status_code, second.status_code


@pytest.fixture
async def doors(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with AsyncExitStack() as stack:
        variables = secrets(tmp_path) | {
            "DATABASE_URL": database,
            "MEMBERSHIP_CACHE_SECONDS": str(CACHED_S),
            "EMBEDDING_API_BASE_URL": await stack.enter_async_context(FakeEmbeddings(dimension=384).serving()),
            "EMBEDDING_MODEL": "all-MiniLM-L6-v2",
        }
        members = await stack.enter_async_context(served(membership.build_from(Environment(variables))))
        variables["MEMBERSHIP_URL"] = members
        function = await stack.enter_async_context(served(search.build_from(Environment(variables))))
        settings = MembershipSettings.read(Environment(variables))
        _, gateway = await stack.enter_async_context(gateway_on(database, tmp_path, membership=settings))
        clients = [httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) for url in (function, members)]
        for client in clients:
            await stack.enter_async_context(client)
        yield Doors(gateway, *clients)


async def test_a_revoked_key_is_refused_everywhere_within_the_bound(
    doors: Doors, database: str, store: Store, tmp_path: Path
) -> None:
    env = Environment({"DATABASE_URL": database, "SECRETS_DIR": str(tmp_path / "secrets")})
    admin = {"X-API-Key": await make(env, "ops", datetime.now(UTC))}
    made = (await doors.members.post("/keys", json={"caller": "alice"}, headers=admin)).json()
    # 404: it is known who asks, and has no corpus.
    assert await doors.statuses(made["key"]) == (200, 404)
    revoked = await doors.members.post("/keys/revoke", json={"id": made["id"]}, headers=admin)
    assert revoked.status_code == 200
    await asyncio.sleep(CACHED_S)  # the bound itself: both asked Membership before the key was revoked
    assert await doors.statuses(made["key"]) == (401, 401)
    assert await doors.statuses(admin["X-API-Key"]) == (200, 404), "nobody else is locked out"
