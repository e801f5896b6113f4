"""The gateway: a table of routes behind an edge that holds for all of them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Security
from starlette.types import ASGIApp, Lifespan

from gateway import events, health, jobs, search
from gateway.admission import guarded
from gateway.edge import BodyLimit, Contained, Measured, RequestId
from gateway.metrics import Metrics
from gateway.openapi import PROBLEM_RESPONSES, described
from gateway.problems import install
from gateway.resources import api_key_header, open_resources
from gateway.settings import Settings
from shared.auth.access import Access

JOBS = "/api/orchestrator/jobs"
BODY_BYTES = 256 * 1024
SUBMISSION_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Route:
    """`access` is what a caller needs; None: `read` to look, `write` for all else. `public` routes need no key.

    What is not `listed` stays out of the OpenAPI document.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    status: int = 200
    access: Access | None = None
    public: bool = False
    listed: bool = True

    def needs(self) -> Access:
        return self.access or ("read" if self.method == "GET" else "write")


ROUTES = (
    Route("POST", JOBS, jobs.submit, 202),
    Route("GET", JOBS, jobs.list_jobs),
    Route("GET", JOBS + "/{job_id}", jobs.show),
    Route("GET", JOBS + "/{job_id}/documents", jobs.documents),
    Route("POST", JOBS + "/{job_id}/cancel", jobs.cancel, 202),
    Route("POST", JOBS + "/{job_id}/replay", jobs.replay, 202),
    Route("POST", "/api/embedding/search", search.search, access="read"),
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

    app = routed(lifespan)
    limited = BodyLimit(app, limit_bytes=BODY_BYTES, larger={JOBS: SUBMISSION_BYTES})
    return RequestId(Contained(Measured(limited, metrics)))


def routed(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The table of routes as an application; without a lifespan it can say what it is, and answer nothing."""
    app = FastAPI(title="Sluice", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    install(app)
    for route in ROUTES:
        app.router.add_api_route(
            route.path,
            route.endpoint,
            methods=[route.method],
            status_code=route.status,
            responses={} if route.public else PROBLEM_RESPONSES,
            include_in_schema=route.listed,
            dependencies=[] if route.public else [Security(api_key_header)],
            route_class_override=None if route.public else guarded(route.needs()),
        )
    described(app)
    return app
