"""What is counted of requests to the embedding endpoint."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from observe import metrics
from shared.errors import InvalidInput, Overloaded, SluiceError, TooLarge

_REQUESTS: Final = metrics.counter(
    "sluice_embedding_requests_total", "Requests to the embedding endpoint.", "operation", "request_mode", "outcome"
)
_SECONDS: Final = metrics.histogram(
    "sluice_embedding_request_seconds", "One request to the embedding endpoint.", "operation", "request_mode"
)
_TOKENS: Final = metrics.counter(
    "sluice_embedding_tokens_total", "Tokens embedded, as the endpoint counts them.", "operation", "request_mode"
)
_IN_FLIGHT: Final = metrics.gauge(
    "sluice_embedding_requests_in_flight", "Requests to the embedding endpoint.", "operation", "request_mode"
)
_ALLOWED: Final = metrics.gauge(
    "sluice_embedding_requests_allowed", "As many may be under way at once.", "operation", "request_mode"
)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What texts are embedded for: to fill a corpus or to search it, and whether somebody waits."""

    operation: Literal["read", "write"]
    request_mode: Literal["sync", "async"]

    def allows(self, requests: int) -> None:
        """So many at once, from now on."""
        _ALLOWED.set(requests, self.operation, self.request_mode)
        _IN_FLIGHT.change(0, self.operation, self.request_mode)

    def embedded(self, tokens: int) -> None:
        _TOKENS.inc(self.operation, self.request_mode, by=tokens)

    @contextmanager
    def request(self) -> Iterator[None]:
        started = time.perf_counter()
        outcome = "unavailable"
        _IN_FLIGHT.change(1, self.operation, self.request_mode)
        try:
            yield
            outcome = "ok"
        except SluiceError as exc:
            outcome = _outcome(exc)
            raise
        finally:
            _IN_FLIGHT.change(-1, self.operation, self.request_mode)
            _REQUESTS.inc(self.operation, self.request_mode, outcome)
            _SECONDS.observe(time.perf_counter() - started, self.operation, self.request_mode)


FILLING: Final = Purpose("write", "async")
ON_DEMAND: Final = Purpose("write", "sync")
SEARCHING: Final = Purpose("read", "sync")


def _outcome(exc: SluiceError) -> str:
    match exc:
        case Overloaded():
            return "overloaded"
        case TooLarge():
            return "too_large"
        case InvalidInput():
            return "refused"
        case _:
            return "unavailable"
