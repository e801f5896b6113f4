"""What the routes work with, opened at start and closed at the end, and who is calling."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast

import httpx
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from gateway.functions import Functions
from gateway.platform import QUEUES, Platform
from gateway.settings import Settings
from shared.audit import Audit
from shared.auth.context import CallerContext
from shared.auth.membership import Membership
from shared.events.signing import Signer
from shared.objects import ObjectStore
from shared.ratelimit.enforcer import SlidingWindowEnforcer
from shared.store.store import Store
from shared.workqueue.depths import Depths


@dataclass(frozen=True)
class Resources:
    """Shared by all requests."""

    settings: Settings
    store: Store
    objects: ObjectStore
    functions: Functions
    membership: Membership
    enforcer: SlidingWindowEnforcer | None
    platform: Platform
    audit: Audit


@asynccontextmanager
async def open_resources(settings: Settings, variables: Mapping[str, str]) -> AsyncIterator[Resources]:
    """`variables` is where an S3 object store finds its credentials."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            await Store.open(settings.database_url, pool_size=settings.pool_size, timeout_s=10)
        )
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=20)
        client = httpx.AsyncClient(timeout=settings.sync_timeout_s, limits=limits, trust_env=False)
        await stack.enter_async_context(client)
        membership = Membership(settings.membership)
        stack.push_async_callback(membership.close)
        enforcer = None
        if settings.limits is not None:
            enforcer = SlidingWindowEnforcer.open(settings.limits)
            stack.push_async_callback(enforcer.close)
        platform = Platform(store, Depths(settings.redis_url, QUEUES) if settings.redis_url else None)
        stack.push_async_callback(platform.close)
        audit = Audit(store)
        stack.push_async_callback(audit.close)
        signer = Signer.from_secret(settings.signing_keys)
        functions = Functions(settings.function_url_template, signer, client, settings.event_timeout_s)
        objects = ObjectStore.open(settings.object_store_url, variables)
        yield Resources(settings, store, objects, functions, membership, enforcer, platform, audit)


async def _resources(request: Request) -> Resources:
    return cast("Resources", request.app.state.resources)


Opened = Annotated[Resources, Depends(_resources)]

api_key_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="From `sluice keys create`, or from your operator."
)
ApiKey = Annotated[str | None, Security(api_key_header)]


async def _caller(request: Request) -> CallerContext:
    return cast("CallerContext", request.state.caller)


# Whom `gateway.admission` let in. On a public route there is nobody.
Caller = Annotated[CallerContext, Depends(_caller)]
