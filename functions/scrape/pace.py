"""How often a domain may be asked. Every request takes a turn; who must wait is told so."""

from typing import Protocol

from functions.scrape.moments import Moments

# What a domain that refused us without saying for how long is left alone for, at least.
REFUSED_S = 2.0


class Pace(Protocol):
    """One for each domain, over all workers, jobs and callers."""

    async def turn(self, domain: str, asked_s: float | None, *, claimed: bool) -> float:
        """Takes a turn and answers 0, or takes none and answers the seconds to wait.

        `asked_s` is the delay that the domain's robots.txt asks for; with `claimed` the claim took the turn.
        """
        ...

    async def refused(self, domain: str, wait_s: float | None) -> None:
        """The server answered 429 or 503; `wait_s` is how long it asks everybody to stay away."""
        ...


class NoPace:
    """For one page at the request of whoever sits in front of it."""

    async def turn(self, domain: str, asked_s: float | None, *, claimed: bool) -> float:
        return 0.0

    async def refused(self, domain: str, wait_s: float | None) -> None:
        return None


class MomentPace:
    """For a process without a database: by the moments alone. `delay_s` is what a domain gets that asks for nothing."""

    def __init__(self, moments: Moments, delay_s: float) -> None:
        self._moments = moments
        self._delay_s = delay_s

    async def turn(self, domain: str, asked_s: float | None, *, claimed: bool) -> float:
        return await self._moments.take(domain, max(self._delay_s, asked_s or 0.0))

    async def refused(self, domain: str, wait_s: float | None) -> None:
        await self._moments.hold(domain, wait_s or max(REFUSED_S, 2 * self._delay_s))
