"""What the gateway counts of its requests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from observe import metrics

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ACCEPTED: Final = 202

_REQUESTS: Final = metrics.counter(
    "sluice_gateway_requests_total", "Requests answered.", "method", "route", "operation", "request_mode", "status"
)
_SECONDS: Final = metrics.histogram(
    "sluice_gateway_request_seconds",
    "From a request's arrival to the end of its answer.",
    *("method", "route", "operation", "request_mode"),
)
_IN_FLIGHT: Final = metrics.gauge("sluice_gateway_requests_in_flight", "Requests being answered.")


def known_method(method: str) -> str:
    """A method is anybody's invention, too."""
    return method if method in _METHODS else "other"


class Measured:
    """Counts requests and their time by route template, never by path: a path is anybody's invention."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with _under_way():
                await self._app(scope, receive, send_noting)
        finally:
            words = _words(scope)
            _REQUESTS.inc(*words, str(status))
            _SECONDS.observe(time.perf_counter() - started, *words)


@contextmanager
def _under_way() -> Iterator[None]:
    _IN_FLIGHT.change(1)
    try:
        yield
    finally:
        _IN_FLIGHT.change(-1)


def _words(scope: Scope) -> tuple[str, str, str, str]:
    """Method, route, operation and mode: a search reads although it is posted, what is answered 202 is done later."""
    method = known_method(scope["method"])
    route: Any = scope.get("route")
    if route is None:
        return method, "unmatched", "read" if method in ("GET", "HEAD") else "write", "sync"
    access = getattr(route, "access", "read")
    return method, route.path, "read" if access == "read" else "write", mode(route)


def mode(route: Any) -> str:  # noqa: ANN401
    """Of a request for this route, also of one that was refused."""
    return "async" if getattr(route, "status_code", None) == _ACCEPTED else "sync"
