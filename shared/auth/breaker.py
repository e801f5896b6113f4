"""A circuit breaker: after failures in a row nobody waits for a service that is down, one call at a time asks again."""

from collections.abc import Callable
from typing import Final

from observe import metrics
from shared.errors import Unavailable

_OPEN: Final = metrics.gauge("sluice_breaker_open", "1 while calls are kept from a service.", "breaker")
_OPENINGS: Final = metrics.counter("sluice_breaker_openings_total", "How often a circuit breaker opened.", "breaker")


class CircuitBreaker:
    """Opens after `failures` in a row for `open_s`; then lets a single probe through, whose outcome decides."""

    def __init__(self, name: str, *, clock: Callable[[], float], failures: int = 5, open_s: float = 10.0) -> None:
        self._name = name
        self._clock = clock
        self._limit = failures
        self._open_s = open_s
        self._failed_in_row = 0
        self._closed_again_at = 0.0
        _OPEN.set(0, name)
        _OPENINGS.expect(name)

    @property
    def closed(self) -> bool:
        return self._failed_in_row < self._limit

    def check(self) -> None:
        """Raises `Unavailable` while open. A caller that passes must report `succeeded` or `failed`."""
        if self.closed:
            return
        wait_s = self._closed_again_at - self._clock()
        if wait_s > 0:
            raise Unavailable(
                f"{self._name}_unavailable", f"{self._name} does not answer at the moment", retry_after_s=wait_s
            )
        self._closed_again_at = self._clock() + self._open_s

    def succeeded(self) -> None:
        self._failed_in_row = 0
        _OPEN.set(0, self._name)

    def failed(self) -> None:
        self._failed_in_row += 1
        if self._failed_in_row == self._limit:
            _OPEN.set(1, self._name)
            _OPENINGS.inc(self._name)
        self._closed_again_at = self._clock() + self._open_s
