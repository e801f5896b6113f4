"""Where no platform ticks: OpenFaaS's cron connector does, and the orchestrator's own clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from emulator.app import Emulator, EmulatorSettings
from functions.orchestrator.clock import ticking
from functions.orchestrator.main import wire
from shared.contracts.jobs import CorpusDeleteRequested
from shared.events.codec import encode_binary
from shared.runtime.app import FunctionApp
from shared.runtime.resources import Resources
from shared.store.store import Store
from tests.emulator.conftest import write_stack
from tests.local_http import serving
from tests.shared.store.world import World

# As the connector sends it (shared/golden/openfaas/cron_connector.json).
CRON = {"X-Connector": "cron-connector", "X-Topic": "cron-function", "Content-Length": "0"}
URL = "https://example.org/a"
COMMAND = "python -m functions.orchestrator.main"


@dataclass(frozen=True)
class Overdue:
    """A document whose worker has died, and what an orchestrator needs that is to find it."""

    world: World
    variables: dict[str, str]

    async def leased(self) -> bool:
        return bool(await self.world.store.pool.fetchval("SELECT count(*) FROM documents WHERE state = 'scraping'"))


@pytest.fixture
async def overdue(database: str, store: Store, tmp_path: Path) -> Overdue:
    secrets = tmp_path / "data" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "event-signing-key").write_bytes(b"k" * 32)
    world = World(store, now=datetime(2026, 1, 1, tzinfo=UTC))
    await world.submit([URL])
    assert len(await world.scrape()) == 1
    variables = {
        "SECRETS_DIR": str(secrets),
        "DATABASE_URL": database,
        "OBJECT_STORE_URL": f"file://{tmp_path}/objects",
        "EVENT_SINK": "direct",
        "FUNCTION_URL_TEMPLATE": "http://127.0.0.1:9/{name}",
        "EMBEDDING_MODEL": "a-model",
        "EMBEDDING_DIMENSION": "3",
    }
    return Overdue(world, variables)


@asynccontextmanager
async def orchestrator(variables: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    function = wire(variables)
    resources = Resources(function.open)
    async with (
        serving(FunctionApp(function, resources)) as address,
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client,
    ):
        yield client
    await resources.close()


async def test_the_cron_connector_s_call_sets_going_what_is_overdue(overdue: Overdue, tmp_path: Path) -> None:
    """Deployed as on OpenFaaS, and called by its gateway's path."""
    variables = {name: text for name, text in overdue.variables.items() if name != "SECRETS_DIR"}
    body = {"fprocess": COMMAND, "environment": variables, "secrets": ["event-signing-key"]}
    settings = EmulatorSettings(
        stack_file=write_stack(tmp_path, {"orchestrator": body}), port=0, data_dir=tmp_path / "data"
    )
    async with Emulator(settings) as platform, httpx.AsyncClient(trust_env=False, timeout=60) as client:
        url = f"http://127.0.0.1:{platform.settings.port}/function/orchestrator.openfaas-fn"
        assert await overdue.leased()
        answers = [await client.post(url, headers=CRON) for _ in range(3)]
    assert [(each.status_code, each.content) for each in answers] == [(204, b"")] * 3
    assert not await overdue.leased()


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        (CRON | {"Content-Length": "2"}, b"{}"),
        ({"X-Topic": "another"}, b""),
        ({"X-Connector": "cron-connector"}, b""),
    ],
)
async def test_nothing_but_the_bare_nudge_goes_in_unsigned(
    headers: dict[str, str], content: bytes, overdue: Overdue
) -> None:
    async with orchestrator(overdue.variables) as client:
        answer = await client.post("/", headers=headers, content=content)
    assert (answer.status_code, answer.json()["error"]) == (400, "not_an_event")
    assert await overdue.leased()


async def test_an_event_is_not_taken_for_a_nudge(overdue: Overdue) -> None:
    event = overdue.world.event(CorpusDeleteRequested(deletion_id=uuid4(), caller_id="alice", corpus="books"))
    headers, content = encode_binary(event)
    async with orchestrator(overdue.variables) as client:
        answer = await client.post("/", headers=[*headers, ("x-topic", "cron-function")], content=content)
    assert answer.status_code == 401


async def test_it_ticks_by_itself_while_it_is_up(overdue: Overdue) -> None:
    async with orchestrator({**overdue.variables, "TICK_SECONDS": "0.05"}), asyncio.timeout(20):
        while await overdue.leased():  # noqa: ASYNC110  a row in the database
            await asyncio.sleep(0.02)


async def test_a_tick_that_fails_is_followed_by_another() -> None:
    ticks: asyncio.Queue[None] = asyncio.Queue()

    async def tick() -> None:
        ticks.put_nowait(None)
        raise OSError("the database is away")

    async with ticking(0.01, tick), asyncio.timeout(20):
        for _ in range(3):
            await ticks.get()
