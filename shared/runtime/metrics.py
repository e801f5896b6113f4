"""What a function counts of its requests."""

import time
from typing import Final, Literal, TypeAlias

from observe import metrics
from observe.exposition import exposition
from observe.process import started_at
from shared.runtime.http import HttpResponse

Kind: TypeAlias = Literal["event", "invoke", "route", "nudge", "none"]

_REQUESTS: Final = metrics.counter(
    "sluice_function_requests_total", "Requests answered.", "function", "kind", "request_mode", "status"
)
_ERRORS: Final = metrics.counter(
    "sluice_function_errors_total", "Requests refused or failed, by the code of the answer.", "function", "code"
)
_SECONDS: Final = metrics.histogram(
    "sluice_function_request_seconds", "From a request's arrival to its answer.", "function", "kind", "request_mode"
)
_IN_FLIGHT: Final = metrics.gauge("sluice_function_requests_in_flight", "Requests being worked on.", "function")
_READY: Final = metrics.gauge("sluice_function_ready", "1 while it takes work: opened, and not draining.", "function")
_COLD_START: Final = metrics.gauge(
    "sluice_function_cold_start_seconds", "From the start of the process until it was ready.", "function"
)


class Metrics:
    """Those of one function."""

    def __init__(self, function: str) -> None:
        self._function = function

    def opened(self) -> None:
        _COLD_START.set(time.time() - started_at(), self._function)

    def answered(self, kind: Kind, status: int, seconds: float) -> None:
        request_mode = "async" if kind == "event" else "sync"
        _REQUESTS.inc(self._function, kind, request_mode, str(status))
        _SECONDS.observe(seconds, self._function, kind, request_mode)

    def failed(self, code: str) -> None:
        _ERRORS.inc(self._function, code)

    def answer(self, accept: str | None, *, in_flight: int, ready: bool) -> HttpResponse:
        """All that this process knows, in the format that is asked for."""
        _IN_FLIGHT.set(in_flight, self._function)
        _READY.set(int(ready), self._function)
        found = exposition(accept)
        return HttpResponse(200, (("content-type", found.content_type),), found.body)
