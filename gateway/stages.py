"""The stage routes: the same stage, called and waited for, or handed work for later."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.accepting import Asked, accept, fingerprint
from gateway.http_triggers import StageRoute
from gateway.resources import ApiKey, Caller, Opened, Resources
from gateway.submission import JOBS
from shared.auth.context import CallerContext
from shared.contracts.jobs import CorpusName, JobSubmitted
from shared.errors import Conflict, DeadlineExceeded, InvalidInput, Overloaded
from shared.store import reads
from shared.urls import normalise

QUEUE_FULL_WAIT_S = 30
Endpoint = Callable[..., Awaitable[Any]]


class PageWork(BaseModel):
    """One page. `job_id`, a UUID of yours, names the job and makes a repetition harmless."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": "https://example.org/guide", "corpus": "handbook"}]}
    )

    url: Annotated[str, Field(max_length=2048)]
    corpus: CorpusName = "default"
    job_id: UUID | None = None


class TextWork(PageWork):
    """A text to be found under `url`. Nothing is fetched."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://example.org/note", "text": "Leases expire.", "title": "A note"}]
        },
    )

    text: Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
    title: Annotated[str, Field(max_length=1000)] | None = None


class Queued(BaseModel):
    """It will be worked on."""

    job_id: UUID
    status: Literal["queued"] = "queued"


def endpoint(route: StageRoute) -> Endpoint:
    """What answers at the route's path."""
    if route.mode == "sync":
        return _calling(route)
    if route.event_type != JobSubmitted.event_type:
        raise InvalidInput(
            "manifest_invalid", f"{route.name}: async triggers send {JobSubmitted.event_type}", field="spec.eventType"
        )
    return _queueing_texts(route) if route.queue == "embed" else _queueing_pages(route)


def openapi_extra(route: StageRoute) -> dict[str, Any] | None:
    """The schemas that the trigger brings, where no type of ours says them."""
    if route.mode == "async":
        return None
    schema = {name: value for name, value in route.request.items() if name != "example"}
    body = {"schema": schema} | ({"example": route.request["example"]} if "example" in route.request else {})
    answer = {"200": {"content": {"application/json": {"schema": route.answer}}}}
    return {"requestBody": {"required": True, "content": {"application/json": body}}, "responses": answer}


def _calling(route: StageRoute) -> Endpoint:
    async def call(request: Request, resources: Opened, _caller: Caller, api_key: ApiKey) -> Response:
        timeout_s = min(route.timeout_s, resources.settings.sync_timeout_s)
        try:
            answer = await resources.functions.forward(
                route.function,
                await request.body(),
                api_key=api_key or "",
                request_id=request.state.request_id,
                timeout_s=timeout_s,
            )
        except DeadlineExceeded as exc:
            instead = f"; for slow or large input use {route.instead}" if route.instead else ""
            raise DeadlineExceeded(exc.code, exc.message + instead) from exc
        return Response(answer, media_type="application/json")

    return call


def _queueing_pages(route: StageRoute) -> Endpoint:
    async def enqueue(body: PageWork, caller: Caller, resources: Opened, response: Response) -> Queued:
        return await _enqueue(route, body, caller, resources, response)

    return enqueue


def _queueing_texts(route: StageRoute) -> Endpoint:
    async def enqueue(body: TextWork, caller: Caller, resources: Opened, response: Response) -> Queued:
        return await _enqueue(route, body, caller, resources, response)

    return enqueue


async def _enqueue(
    route: StageRoute, body: PageWork, caller: CallerContext, resources: Resources, response: Response
) -> Queued:
    await _check_depth(route, resources)
    asked = Asked(
        urls=(normalise(body.url),),
        corpus=body.corpus,
        text=body.text if isinstance(body, TextWork) else None,
        title=body.title if isinstance(body, TextWork) else None,
        announced=body.job_id is not None,
        request_sha256=fingerprint(body) if body.job_id else None,
    )
    job_id = body.job_id or uuid4()
    await accept(asked, caller, job_id, resources, function=route.function)
    if body.job_id is not None and await reads.get_job(resources.store, caller.caller_id, job_id) is None:
        raise Conflict("job_id_taken", "this job_id cannot be used: choose another, or leave it out", field="job_id")
    response.headers["Location"] = f"{JOBS}/{job_id}"
    return Queued(job_id=job_id)


async def _check_depth(route: StageRoute, resources: Resources) -> None:
    assert route.queue is not None
    most = resources.settings.max_queue_depth
    if await reads.ready_depth(resources.store, route.queue, most + 1) > most:
        raise Overloaded(
            "queue_full", f"more than {most} documents wait already; nothing was taken", retry_after_s=QUEUE_FULL_WAIT_S
        )
