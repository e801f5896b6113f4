"""Who comes in: every route that is not public is guarded here, before a byte of its body is read."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from gateway.resources import Resources
from shared.audit import Action
from shared.auth.access import Access, require
from shared.auth.context import CallerContext
from shared.errors import PermissionDenied
from shared.ratelimit.enforcer import RateLimited


class Guarded(APIRoute):
    """A route that a caller with `access` may use, and that costs it `cost` of its window."""

    access: ClassVar[Access]
    cost: ClassVar[int]
    action: ClassVar[Action | None]

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            resources: Resources = request.app.state.resources
            caller = await validate_api_key(request, resources)
            await _spend(request, resources, caller, self.cost)
            self._admit(request, caller)
            response = await handle(request)
            if self.action is not None and response.status_code < 400:
                resources.audit.emit(self.action, caller, subject=_subject(request, response), **_about(request))
            return response

        return guarded

    def _admit(self, request: Request, caller: CallerContext) -> None:
        """Raises `PermissionDenied`, which is remembered."""
        try:
            require(caller, self.access)
        except PermissionDenied as refused:
            resources: Resources = request.app.state.resources
            resources.audit.emit("access.refused", caller, code=refused.code, **_about(request))
            raise
        request.state.caller = caller


def guarded(access: Access, cost: int, action: Action | None) -> type[Guarded]:
    """The class of routes that need this access, cost so much, and are remembered as this."""
    return type("Guarded", (Guarded,), {"access": access, "cost": cost, "action": action})


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


def _about(request: Request) -> dict[str, str]:
    """The route, what its path names, and what it has `told`: never a body or a query, which may hold anything."""
    told: dict[str, str] = getattr(request.state, "told", {})
    return {"method": request.method, "route": request.scope["route"].path, **request.path_params, **told}


def _subject(request: Request, response: Response) -> str | None:
    """What was made, or else what the path names."""
    made = response.headers.get("location", "").rpartition("/")[2]
    return made or next(map(str, request.path_params.values()), None)
