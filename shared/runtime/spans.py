"""The spans of a function: an event that it takes, a call that it answers, the cold start that either waited for."""

from collections.abc import Mapping
from typing import Any, Final

from observe import context, process, tracing
from observe.context import TraceContext
from observe.span import Span
from observe.vocabulary import Attributes, Name, Value
from shared.contracts.envelope import ABOUT
from shared.contracts.payload import Payload
from shared.events.event import CloudEvent, short
from shared.runtime.function import Function
from shared.runtime.http import HttpRequest

# A request that came so soon after the function was ready had been waiting for it.
WAITED_S: Final = 2.0
_OUR_FAULT: Final = 500


def heard(headers: Mapping[str, str]) -> TraceContext | None:
    """The trace that a request belongs to: that of its event, else that of who sends it."""
    return context.parse(headers.get("ce-traceparent")) or context.parse(headers.get("traceparent"))


def of_event(function: Function[Any], event: CloudEvent, payload: Payload, request: HttpRequest) -> Span:
    """A child of the span that the event left. What needs no signature carries nothing, and is in nobody's trace."""
    parent = context.parse(event.extensions.get("traceparent")) or heard(request.headers)
    if payload.event_type in function.unsigned_ok:
        parent = tracing.unkept()
    attributes: Attributes = {
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_type": event.type,
        "messaging.operation.type": "process",
        "http.request_id": request.request_id,
    }
    about: dict[Name, Value] = {
        attribute: event.extensions[name] for name, attribute in ABOUT.items() if name in event.extensions
    }
    if function.stage is not None:
        about["job.stage"] = function.stage
    return tracing.span(short(event.type), attributes, kind="consumer", parent=parent, about=about)


def of_call(function: Function[Any], request: HttpRequest, *, route: bool) -> Span:
    attributes: Attributes = {
        "http.request.method": request.method,
        "http.route": request.path if route else "/",
        "http.request_id": request.request_id,
        "request.mode": "sync",
    }
    about: Attributes = {} if function.stage is None else {"job.stage": function.stage}
    name = f"{request.method} {request.path}" if route else function.name
    return tracing.span(name, attributes, kind="server", parent=heard(request.headers), about=about)


def refused(span: Span, code: str, status: int) -> None:
    """What a caller did wrong is no error of ours; an event that is refused was sent by one of us."""
    if span.kind == "server" and status < _OUR_FAULT:
        span.set("error.type", code)
    else:
        span.failed(code)


class ColdStart:
    """From the start of the process until the function was ready: told by the first request, if that had to wait."""

    def __init__(self) -> None:
        self._told = False

    def waited_for(self, ready_s: float | None, arrived_s: float, span: Span) -> None:
        """To be called in the span of each request, once the function is ready. Seconds since 1970."""
        if self._told:
            return
        self._told = True
        if span.recorded and ready_s is not None and arrived_s < ready_s + WAITED_S:
            span.set("faas.coldstart", True)
            tracing.record("cold start", process.started_at(), ready_s)
