"""Who comes in: every route that is not public is guarded here, before a byte of its body is read."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from gateway.resources import Resources
from shared.auth.access import Access, require
from shared.auth.context import CallerContext


class Guarded(APIRoute):
    """A route that a caller with `access` may use."""

    access: ClassVar[Access]

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            resources: Resources = request.app.state.resources
            caller = await validate_api_key(request, resources)
            require(caller, self.access)
            request.state.caller = caller
            return await handle(request)

        return guarded


def guarded(access: Access) -> type[Guarded]:
    """The class of routes that need this access."""
    return type("Guarded", (Guarded,), {"access": access})


async def validate_api_key(request: Request, resources: Resources) -> CallerContext:
    """Raises `Unauthenticated`, or `Unavailable` when nobody can tell."""
    api_key = request.headers.get("x-api-key", "")
    return await resources.membership.authenticate(api_key, request.state.request_id)
