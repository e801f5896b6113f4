"""A function as an ASGI application."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar

from observe import context, profiling, tracing
from observe.span import Span
from shared.auth.access import require
from shared.errors import Interrupted, InvalidInput, NotFound, SluiceError, TooLarge, Unauthenticated
from shared.events import strict_json
from shared.events.codec import is_event
from shared.events.event import MAX_EVENT_BYTES
from shared.runtime import asgi, spans
from shared.runtime.event_endpoint import NO_CONTENT, EventEndpoint, tell
from shared.runtime.function import Function
from shared.runtime.gate import Gate
from shared.runtime.http import HttpRequest, HttpResponse, json_response
from shared.runtime.metrics import Kind, Metrics
from shared.runtime.resources import Resources
from shared.runtime.statuses import error_response, internal_error

R = TypeVar("R")
logger = logging.getLogger(__name__)

_LIVE = ("/healthz", "/_/health")
_READY = ("/readyz", "/_/ready")
_OPENING_TIMEOUT_S = 30.0
# How OpenFaaS's cron connector calls a function with the annotation `topic: cron-function`.
_CRON_TOPIC = "cron-function"
_CLIENT_GONE = 499  # nginx's word for it, in the metrics only


class FunctionApp(Generic[R]):
    """Probes at once; everything else through the gate, once the resources are open."""

    def __init__(self, function: Function[R], resources: Resources[R]) -> None:
        self._function = function
        self._resources = resources
        self._events = EventEndpoint(function)
        self._gate = Gate(function.limits.concurrency)
        self._metrics = Metrics(function.name)
        resources.tell_opened(self._metrics.opened)
        self._cold_start = spans.ColdStart()
        self._draining = False

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("a function speaks HTTP only, and opens its resources itself")
        request = asgi.request_of(scope)
        probe = self._probe(request)
        if probe is not None:
            await asgi.write_response(send, probe, request.request_id)
            return
        kind, started = self._kind(request), time.perf_counter()
        try:
            with context.entered(spans.heard(request.headers)):
                response = await self._respond(kind, request, scope, receive)
            await _deliver(response, request, receive, send)
            status = response.status
        except asgi.ClientGone:
            status = _CLIENT_GONE
        self._metrics.answered(kind, status, time.perf_counter() - started)

    def drain(self) -> None:
        """From now on not ready; what is in flight goes on."""
        self._draining = True

    def _probe(self, request: HttpRequest) -> HttpResponse | None:
        if request.method not in ("GET", "HEAD"):
            return None
        if request.path in _LIVE:
            return json_response({"status": "ok"})
        ready = self._resources.ready and not self._draining
        if request.path in _READY:
            return json_response({"status": "ready" if ready else "not ready"}, 200 if ready else 503)
        if request.path == "/metrics":
            return self._metrics.answer(request.headers.get("accept"), in_flight=self._gate.in_flight, ready=ready)
        return None

    def _kind(self, request: HttpRequest) -> Kind:
        if (request.method, request.path) in self._function.routes:
            return "route"
        if self._is_nudge(request):
            return "nudge"
        if request.method != "POST" or not (self._function.events or self._function.invoke):
            return "none"
        return "event" if is_event(request.headers) else "invoke"

    def _is_nudge(self, request: HttpRequest) -> bool:
        asked = request.method == "POST" and request.headers.get("x-topic") == _CRON_TOPIC
        return asked and self._function.nudged is not None and not is_event(request.headers)

    async def _respond(
        self, kind: Kind, request: HttpRequest, scope: asgi.Scope, receive: asgi.Receive
    ) -> HttpResponse:
        arrived_s = time.time()
        try:
            if kind == "none":
                return self._no_such_route(request)
            with self._gate.admitted():
                body = await self._read(kind, request, receive)
                return await self._traced(kind, replace(request, body=body), scope, arrived_s)
        except SluiceError as error:
            return self._refused(kind, error, request)
        except asyncio.CancelledError:
            # Only the end of a drain cancels requests, and then this answer is all that is left to do.
            stopping = Interrupted("function_stopping", "the function was stopped before it was done", retry_after_s=1)
            return error_response(stopping, "broker" if kind == "event" else "public")
        except asgi.ClientGone:
            raise
        except Exception:
            self._metrics.failed("internal_error")
            logger.exception("request failed", extra={"code": "internal_error", "request_id": request.request_id})
            return internal_error()

    def _refused(self, kind: Kind, error: SluiceError, request: HttpRequest) -> HttpResponse:
        self._metrics.failed(error.code)
        logger.info("request refused", extra={"code": error.code, "request_id": request.request_id})
        return error_response(error, "broker" if kind == "event" else "public")

    async def _read(self, kind: Kind, request: HttpRequest, receive: asgi.Receive) -> bytes:
        limits = self._function.limits
        if kind == "event":
            too_large = TooLarge("event_too_large", f"an event is at most {MAX_EVENT_BYTES} bytes")
            return await asgi.read_body(request.headers, receive, MAX_EVENT_BYTES, limits.body_timeout_s, too_large)
        too_large = TooLarge("body_too_large", f"a request to this function is at most {limits.body_bytes} bytes")
        return await asgi.read_body(request.headers, receive, limits.body_bytes, limits.body_timeout_s, too_large)

    async def _traced(self, kind: Kind, request: HttpRequest, scope: asgi.Scope, arrived_s: float) -> HttpResponse:
        """The span begins when the request came, though whose it is was known only later."""
        if kind == "event":
            event, payload = self._events.read(scope, request)
            span = spans.of_event(self._function, event, payload, request)
        elif kind == "nudge":
            return await self._nudge(request)
        else:
            span = spans.of_call(self._function, request, route=kind == "route")
        with span:
            span.started_ns = int(arrived_s * 1e9)
            opened = partial(self._opened, arrived_s, span)
            try:
                if kind == "event":
                    answered = self._events.answer(request, event, payload, await opened())
                    response = await profiling.attributed(answered)
                elif kind == "route":
                    response = await self._function.routes[request.method, request.path](request, await opened())
                else:
                    response = await profiling.attributed(self._invoke(request, opened, span))
            except SluiceError as error:
                response = self._refused(kind, error, request)
                spans.refused(span, error.code, response.status)
            span.set("http.response.status_code", response.status)
        return response

    async def _nudge(self, request: HttpRequest) -> HttpResponse:
        if request.body or self._function.nudged is None:
            raise InvalidInput("not_an_event", "a nudge carries nothing")
        with context.entered(tracing.unkept()):
            await self._function.nudged(await self._resources.get(_OPENING_TIMEOUT_S))
        return NO_CONTENT

    async def _invoke(self, request: HttpRequest, opened: Callable[[], Awaitable[R]], span: Span) -> HttpResponse:
        function = self._function
        if function.invoke is None or function.membership is None:
            raise InvalidInput("not_an_event", "this function takes CloudEvents only")
        if not (api_key := request.headers.get("x-api-key")):
            raise Unauthenticated("key_missing", "send your API key in the X-API-Key header")
        caller = await function.membership.authenticate(api_key, request.request_id)
        span.set("caller.type", caller.caller_type)
        require(caller, function.invoke_access)
        value = strict_json.parse(request.body, "body")
        return json_response(await function.invoke(value, caller, await opened()))

    async def _opened(self, arrived_s: float, span: Span) -> R:
        opened = await self._resources.get(_OPENING_TIMEOUT_S)
        self._cold_start.waited_for(self._resources.opened_s, arrived_s, span)
        return opened

    def _no_such_route(self, request: HttpRequest) -> HttpResponse:
        allowed = {method for method, path in self._function.routes if path == request.path}
        allowed |= {"POST"} if self._function.events or self._function.invoke else set()
        if not allowed:
            raise NotFound("route_unknown", "this function has nothing at this path")
        refusal = {"error": "method_not_allowed", "message": "this path does not take this method"}
        return json_response(dict(refusal), 405, (("allow", ", ".join(sorted(allowed))),))


async def _deliver(response: HttpResponse, request: HttpRequest, receive: asgi.Receive, send: asgi.Send) -> None:
    """`sent` is not told of an answer that nobody took: what depends on it is then sent again from elsewhere."""
    if response.sent is not None and await asgi.has_left(receive):
        raise asgi.ClientGone
    await asgi.write_response(send, response, request.request_id, close=response.status in (408, 413))
    await tell(response.sent)
