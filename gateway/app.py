"""The gateway: a table of routes behind an edge that holds for all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Security
from starlette.types import ASGIApp, Lifespan

from gateway import (
    audit,
    completion,
    corpora,
    costs,
    documents,
    events,
    grants,
    health,
    http_triggers,
    jobs,
    search,
    stages,
    webhooks,
    whereabouts,
)
from gateway.admission import guarded
from gateway.edge import BodyLimit, Contained, RequestId
from gateway.http import SingleHeaders
from gateway.metrics import Measured
from gateway.openapi import PROBLEM_RESPONSES, described, operation_id
from gateway.problems import install
from gateway.resources import api_key_header, open_resources
from gateway.settings import Settings
from gateway.submission import JOBS
from gateway.tracing import Traced
from observe import profiling, tracing
from shared.audit import Action
from shared.auth.access import Access

TRIGGERS = Path(__file__).parents[1] / "triggers"
CORPORA, WEBHOOKS = "/api/corpora", "/api/webhooks"
SUBMISSION_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Route:
    """`access` is what a caller needs; None: `read` to look, `write` for all else. `public` routes need no key.
    `cost` is what a call takes of the caller's window: about how much work it makes, in looks at a job.

    `action` is what the audit calls it; what changes something and has no name of its own is `route.used`.

    What is not `listed` stays out of the OpenAPI document.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    status: int = 200
    access: Access | None = None
    cost: int = 1
    action: Action | None = None
    public: bool = False
    listed: bool = True
    body_bytes: int = http_triggers.BODY_BYTES
    summary: str | None = None
    openapi: dict[str, Any] | None = None

    def needs(self) -> Access:
        return self.access or ("read" if self.method == "GET" else "write")

    def remembered(self) -> Action | None:
        return self.action or (None if self.needs() == "read" else "route.used")


ROUTES = (
    Route("POST", JOBS, jobs.submit, 202, cost=5, action="job.submitted", body_bytes=SUBMISSION_BYTES),
    Route("GET", JOBS, jobs.list_jobs),
    Route("GET", JOBS + "/{job_id}", jobs.show),
    Route("GET", JOBS + "/{job_id}/documents", documents.documents),
    Route("GET", JOBS + "/{job_id}/documents/{document_id}", documents.document),
    Route("GET", whereabouts.DOCUMENTS, whereabouts.of_url),
    Route("GET", whereabouts.DOCUMENTS + "/{document_id}", whereabouts.show),
    Route("GET", JOBS + "/{job_id}/costs", costs.of_job, cost=2),
    Route("POST", JOBS + "/{job_id}/cancel", jobs.cancel, 202, action="job.cancelled"),
    Route("POST", JOBS + "/{job_id}/replay", jobs.replay, 202, cost=5, action="job.replayed"),
    Route("POST", JOBS + "/{job_id}/complete", completion.complete, access="internal", action="job.reported"),
    Route("GET", CORPORA, corpora.list_corpora),
    Route("GET", CORPORA + "/{corpus}", corpora.show),
    Route(
        "GET",
        CORPORA + "/{corpus}/export",
        corpora.export,
        cost=20,
        action="corpus.exported",
        openapi=corpora.EXPORT_OPENAPI,
    ),
    Route("DELETE", CORPORA + "/{corpus}", corpora.delete, cost=5, openapi=corpora.DELETE_OPENAPI),
    Route("GET", grants.GRANTS, grants.list_given),
    Route("PUT", grants.GRANTS + "/{caller_id}", grants.give, action="corpus.granted"),
    Route("DELETE", grants.GRANTS + "/{caller_id}", grants.take_back, action="corpus.grant_ended"),
    Route("GET", grants.RECEIVED, grants.list_received),
    Route("GET", corpora.DELETIONS, corpora.list_deletions),
    Route("GET", corpora.DELETIONS + "/{deletion_id}", corpora.show_deletion),
    Route("GET", costs.COSTS, costs.costs, cost=2),
    Route("GET", costs.COSTS + "/documents", costs.of_url, cost=2),
    Route("GET", WEBHOOKS + "/deliveries", webhooks.list_deliveries),
    Route(
        "POST", WEBHOOKS + "/deliveries/{delivery_id}/redeliver", webhooks.redeliver, 202, action="webhook.redelivered"
    ),
    Route("GET", WEBHOOKS + "/secret", webhooks.secret, access="write", action="webhook.secret_shown"),
    Route("POST", "/api/embedding/search", search.search, access="read", cost=2),
    Route("POST", "/events", events.receive, 202, cost=5, action="event.received", openapi=events.OPENAPI),
    Route("GET", "/api/audit", audit.audit),
    Route("GET", "/health", health.health, public=True),
    Route("GET", "/ready", health.ready, public=True),
    Route("GET", "/metrics", health.metrics, public=True, listed=False),
)


def create_app(settings: Settings, variables: Mapping[str, str], routes: Sequence[Route] | None = None) -> ASGIApp:
    """An ASGI app that opens its resources at start. `routes` are by default all that there are."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_resources(settings, variables) as resources:
            app.state.resources = resources
            yield
        # uvicorn ends the process by the signal that stopped it, and then nothing comes after.
        await asyncio.to_thread(tracing.flush)
        await asyncio.to_thread(profiling.stop)

    routes = table(settings.triggers_dir) if routes is None else routes
    larger = {route.path: route.body_bytes for route in routes if route.body_bytes > http_triggers.BODY_BYTES}
    limited = BodyLimit(routed(routes, lifespan), limit_bytes=http_triggers.BODY_BYTES, larger=larger)
    return RequestId(Traced(Contained(Measured(SingleHeaders(limited)))))


def routed(routes: Sequence[Route], lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The table of routes as an application; without a lifespan it can say what it is, and answer nothing."""
    app = FastAPI(
        title="Sluice",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    install(app)
    for route in routes:
        app.router.add_api_route(
            route.path,
            route.endpoint,
            methods=[route.method],
            status_code=route.status,
            summary=route.summary,
            responses={} if route.public else PROBLEM_RESPONSES,
            include_in_schema=route.listed,
            openapi_extra=route.openapi,
            dependencies=[] if route.public else [Security(api_key_header)],
            route_class_override=None if route.public else guarded(route.needs(), route.cost, route.remembered()),
        )
    described(app)
    return app


def table(triggers_dir: Path = TRIGGERS) -> tuple[Route, ...]:
    """Every route: ours, and those of the stages that `http.yaml` opens."""
    return (*ROUTES, *map(_stage, http_triggers.load(triggers_dir)))


def _stage(trigger: http_triggers.StageRoute) -> Route:
    return Route(
        "POST",
        trigger.path,
        stages.endpoint(trigger),
        status=202 if trigger.mode == "async" else 200,
        cost=trigger.cost,
        action="stage.called",
        body_bytes=trigger.max_body_bytes,
        summary=trigger.summary,
        openapi=stages.openapi_extra(trigger),
    )
