"""Who comes in: every route that is not public is guarded here, before a byte of its body is read."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from gateway.resources import Resources
from shared.auth.access import Access, require
from shared.auth.context import CallerContext
from shared.ratelimit.enforcer import RateLimited


class Guarded(APIRoute):
    """A route that a caller with `access` may use, and that costs it `cost` of its window."""

    access: ClassVar[Access]
    cost: ClassVar[int]

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            resources: Resources = request.app.state.resources
            caller = await validate_api_key(request, resources)
            await _spend(request, resources, caller, self.cost)
            require(caller, self.access)
            request.state.caller = caller
            return await handle(request)

        return guarded


def guarded(access: Access, cost: int) -> type[Guarded]:
    """The class of routes that need this access and cost so much."""
    return type("Guarded", (Guarded,), {"access": access, "cost": cost})


async def validate_api_key(request: Request, resources: Resources) -> CallerContext:
    """Raises `Unauthenticated`, or `Unavailable` when nobody can tell."""
    api_key = request.headers.get("x-api-key", "")
    return await resources.membership.authenticate(api_key, request.state.request_id)


async def _spend(request: Request, resources: Resources, caller: CallerContext, cost: int) -> None:
    """Before scopes are looked at: who is refused has to pay, too. Whatever is answered tells what is left."""
    if resources.enforcer is None:
        return
    try:
        verdict = await resources.enforcer.check(caller, cost)
    except RateLimited as refused:
        request.state.answer_headers = refused.verdict.headers()
        raise
    if verdict is not None:
        request.state.answer_headers = verdict.headers()
