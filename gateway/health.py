"""Whether the gateway lives, whether it can work, and what it counted."""

from typing import Literal

from fastapi import Response
from pydantic import BaseModel

from gateway.resources import Opened
from shared.errors import Unavailable
from shared.store import reads


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


async def metrics(resources: Opened) -> Response:
    """Prometheus text. Without the database, without the numbers that come from there."""
    try:
        waiting = {stage: await reads.ready_depth(resources.store, stage) for stage in ("scrape", "embed")}
    except Unavailable:
        waiting = {}
    return Response(resources.metrics.text(waiting), media_type="text/plain; version=0.0.4; charset=utf-8")
