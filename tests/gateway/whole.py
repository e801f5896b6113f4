"""A gateway before the real functions, so that what it accepts is there, and stays. Only the web is not real."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
from starlette.requests import Request
from starlette.responses import Response

from functions.chunk import main as chunk
from functions.embed import main as embed
from functions.orchestrator import main as orchestrator
from functions.scrape import main as scrape
from functions.scrape.frames import Text
from functions.scrape.handler import Desk
from functions.scrape.scraping import Scraped, Scraper, Target
from functions.search import main as search
from shared.auth.membership import Membership
from shared.runtime.app import FunctionApp
from shared.runtime.function import Function
from shared.runtime.resources import Resources
from shared.settings import Environment
from tests.fakes.embeddings import FakeEmbeddings
from tests.gateway.conftest import SIGNING_KEY, Behind, gateway_on
from tests.local_http import asgi, serving

HOP_BY_HOP = {"host", "content-length", "connection", "transfer-encoding"}


@dataclass
class Forwarding(Behind):
    """As `Behind`, but what is for one of `functions` reaches it."""

    functions: dict[str, str] = field(default_factory=dict)
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False, timeout=20))

    async def __call__(self, request: Request) -> Response:
        address = self.functions.get(request.url.path.split("/")[2])
        if address is None:
            return await super().__call__(request)
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        answer = await self.client.post(address, content=await request.body(), headers=headers)
        kept = {name: value for name, value in answer.headers.items() if name in ("content-type", "retry-after")}
        return Response(answer.content, answer.status_code, kept)


class StillWeb:
    """Has the same page everywhere."""

    async def scrape(self, target: Target) -> Scraped:
        return Scraped(target.url, Text("Leases expire.", title="A guide"), datetime.now(UTC))


@asynccontextmanager
async def whole_gateway(database: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client with Alice's key."""

    async def listen(request: Request) -> Response:
        return Response(status_code=202)

    async with AsyncExitStack() as stack:
        behind = Forwarding()
        stack.push_async_callback(behind.client.aclose)
        variables = secrets(folder) | {
            "DATABASE_URL": database,
            "OBJECT_STORE_URL": f"file://{folder}/objects",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "BROKER_URL": await stack.enter_async_context(serving(asgi(listen))),
            "MEMBERSHIP_URL": await stack.enter_async_context(serving(asgi(behind))) + "/function/membership",
            "EMBEDDING_API_BASE_URL": await stack.enter_async_context(FakeEmbeddings(dimension=384).serving()),
            "EMBEDDING_MODEL": "all-MiniLM-L6-v2",
        }
        for name, function in _functions(variables).items():
            behind.functions[name] = await stack.enter_async_context(served(function))
        # No call is late here: what is slow is the machine.
        _, client = await stack.enter_async_context(gateway_on(database, folder, behind, sync_timeout_s=60))
        yield client


def _functions(variables: Mapping[str, str]) -> dict[str, Function[Any]]:
    env = Environment(variables)
    return {
        "orchestrator": orchestrator.wire(variables),
        "chunk": chunk.wire(variables),
        "embed": embed.build_from(env),
        "search": search.build_from(env),
        "scrape": _before_the_still_web(scrape.build_from(env)),
    }


def _before_the_still_web(function: Function[Desk]) -> Function[Desk]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Desk]:
        async with function.open() as desk:
            desk.scraper = cast("Scraper", StillWeb())
            yield desk

    return replace(function, open=opened)


def secrets(folder: Path) -> dict[str, str]:
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "event-signing-key").write_bytes(SIGNING_KEY)
    (secrets / "caller-hash-key").write_bytes(b"hash secret")
    (secrets / "embedding-api-key").write_bytes(b"none")
    return {"SECRETS_DIR": str(secrets)}


@asynccontextmanager
async def served(function: Function[Any]) -> AsyncIterator[str]:
    resources = Resources(function.open)
    try:
        async with serving(FunctionApp(function, resources)) as address:
            yield address
    finally:
        await resources.close()
        if isinstance(function.membership, Membership):
            await function.membership.close()
