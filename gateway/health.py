"""Whether the gateway lives, whether it can work, and what it counted."""

from typing import Literal

from fastapi import Request, Response
from pydantic import BaseModel

from gateway.resources import Opened
from observe.exposition import exposition


class Health(BaseModel):
    """It lives."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """It can work."""

    status: Literal["ready"]


async def health() -> Health:
    """The process answers."""
    return Health(status="ok")


async def ready(resources: Opened) -> Readiness:
    """The database answers too, else 503."""
    await resources.store.fetch_row("SELECT 1")
    return Readiness(status="ready")


async def metrics(request: Request, resources: Opened) -> Response:
    """Prometheus text, or OpenMetrics. Without the database, without the numbers that come from there."""
    await resources.platform.refresh()
    found = exposition(request.headers.get("accept"))
    return Response(found.body, headers={"content-type": found.content_type})
