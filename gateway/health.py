"""Whether the gateway lives, whether it can work, and what it counted."""

from fastapi import Response

from gateway.resources import Opened


async def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


async def ready(resources: Opened) -> dict[str, str]:
    """The database answers too, else 503."""
    await resources.store.pool.fetchval("SELECT 1", timeout=5)
    return {"status": "ready"}


async def metrics(resources: Opened) -> Response:
    """Prometheus text."""
    return Response(resources.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
