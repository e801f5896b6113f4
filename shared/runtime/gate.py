"""How many requests a function works on at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import Overloaded


class Gate:
    """Admits up to `limit` at a time (0: any number)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.in_flight = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Raises `Overloaded` when full: the platform has other replicas, or brings one up."""
        if self._limit and self.in_flight >= self._limit:
            raise Overloaded("function_busy", f"{self._limit} requests are being worked on", retry_after_s=1)
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
