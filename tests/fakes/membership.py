"""A Membership that knows one key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.local_http import asgi, serving

API_KEY = "slk_test-key-of-alice"
CALLER_ID = "alice"


@asynccontextmanager
async def membership() -> AsyncIterator[str]:
    """Yields its address."""

    async def auth(request: Request) -> Response:
        if request.url.path != "/auth" or request.headers.get("x-api-key") != API_KEY:
            return JSONResponse({"error": "unauthenticated"}, 401)
        return JSONResponse(
            {"caller_id": CALLER_ID, "caller_type": "user", "tier": "standard", "scopes": ["read", "write"]}
        )

    async with serving(asgi(auth)) as url:
        yield url
