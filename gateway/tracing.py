"""The span of a request: what everything that follows from it is linked to."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.metrics import known_method, mode
from observe import context, profiling, tracing
from observe.span import Span
from observe.vocabulary import Name, Value

# Asked for every few seconds, by machines.
UNTRACED = frozenset({"/health", "/ready", "/metrics"})


class Traced:
    """Goes on with the caller's trace, or begins one; the request's id is on the span, as it is in log and answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = context.parse(Headers(scope=scope).get("traceparent"))
        if scope["path"] in UNTRACED:
            parent = tracing.unkept()
        method = known_method(scope["method"])
        attributes: dict[Name, Value] = {
            "http.request.method": method,
            "http.request_id": scope["state"]["request_id"],
        }
        with tracing.span(method, attributes, kind="server", parent=parent) as span:

            async def send_noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _answered(span, scope, message["status"])
                await send(message)

            await profiling.attributed(self._app(scope, receive, send_noting))


def _answered(span: Span, scope: Scope, status: int) -> None:
    route = scope.get("route")
    if route is not None:
        span.name = f"{span.name} {route.path}"
        span.set("http.route", route.path)
    span.set("http.response.status_code", status)
    span.set("request.mode", mode(route))
    if status < 400 and (job_id := scope.get("path_params", {}).get("job_id")):
        span.set("job.id", str(job_id))
    if (caller := scope["state"].get("caller")) is not None:
        span.set("caller.type", caller.caller_type)
    if status >= 500:
        span.failed(str(status))
