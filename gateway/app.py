"""The gateway: a table of routes behind an edge that holds for all of them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from gateway import events, health, jobs, search
from gateway.edge import BodyLimit, Contained, Measured, RequestId
from gateway.metrics import Metrics
from gateway.openapi import PROBLEM_RESPONSES, described
from gateway.problems import install
from gateway.resources import open_resources
from gateway.settings import Settings

JOBS = "/api/orchestrator/jobs"
BODY_BYTES = 256 * 1024
SUBMISSION_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Route:
    """`public` needs no key; what is not `listed` stays out of the OpenAPI document."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    status: int = 200
    public: bool = False
    listed: bool = True


ROUTES = (
    Route("POST", JOBS, jobs.submit, 202),
    Route("GET", JOBS, jobs.list_jobs),
    Route("GET", JOBS + "/{job_id}", jobs.show),
    Route("GET", JOBS + "/{job_id}/documents", jobs.documents),
    Route("POST", JOBS + "/{job_id}/cancel", jobs.cancel, 202),
    Route("POST", JOBS + "/{job_id}/replay", jobs.replay, 202),
    Route("POST", "/api/embedding/search", search.search),
    Route("POST", "/events", events.receive, 202),
    Route("GET", "/health", health.health, public=True),
    Route("GET", "/ready", health.ready, public=True),
    Route("GET", "/metrics", health.metrics, public=True, listed=False),
)


def create_app(settings: Settings, variables: Mapping[str, str]) -> ASGIApp:
    """An ASGI app that opens its resources at start."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_resources(settings, metrics, variables) as resources:
            app.state.resources = resources
            yield

    app = FastAPI(title="Sluice", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    install(app)
    for route in ROUTES:
        app.add_api_route(
            route.path,
            route.endpoint,
            methods=[route.method],
            status_code=route.status,
            responses={} if route.public else PROBLEM_RESPONSES,
            include_in_schema=route.listed,
        )
    described(app)
    limited = BodyLimit(app, limit_bytes=BODY_BYTES, larger={JOBS: SUBMISSION_BYTES})
    return RequestId(Contained(Measured(limited, metrics)))
