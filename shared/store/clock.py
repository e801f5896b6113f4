"""The platform's time: the database's, carried on by a clock that nobody sets.

Leases, waits and ages that one process writes are judged by others, on other machines. Were each to go by its own
clock, one that is wrong would take documents from those who work on them, or let them wait.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

# So long a clock is carried on before the database is asked again, in the course of other questions.
BELIEVED_S: Final = 10.0


def _elapsed() -> float:
    """Seconds that only grow, at their own pace, whatever is done to the machine's clock; while it sleeps, too."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Clock:
    """Until the database was asked it is the machine's."""

    def __init__(
        self, elapsed: Callable[[], float] = _elapsed, machine: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._elapsed = elapsed
        self._at, self._since = machine(), elapsed()
        self._asked_at: float | None = None

    def now(self) -> datetime:
        return self._at + timedelta(seconds=self._elapsed() - self._since)

    def asking(self) -> float | None:
        """When it is time to ask the database, the moment to give to `heard`. Whoever asks, asks for all."""
        moment = self._elapsed()
        if self._asked_at is not None and moment - self._asked_at < BELIEVED_S:
            return None
        self._asked_at = moment
        return moment

    def heard(self, said: datetime, asked_at: float) -> None:
        """The answer was right at some moment of its way. A clock that agrees with one of them is left alone."""
        took = timedelta(seconds=self._elapsed() - asked_at)
        ahead = self.now() - said
        if not timedelta() <= ahead <= took:
            self._at, self._since = said + took / 2, self._elapsed()

    def unheard(self) -> None:
        """Nobody answered: the next question asks again."""
        self._asked_at = None
