"""How much a caller may spend in a window: each strategy states its terms, the strictest of them count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from shared.auth.context import CallerContext


@dataclass(frozen=True, slots=True)
class Terms:
    """`limit` is the caller's own, `capacity` is for all who were active in the last window, in equal parts.

    None leaves it open. How many are active is known only where all calls meet, so it is there that shares are counted.
    """

    limit: int | None = None
    capacity: int | None = None


class Strategy(Protocol):
    """Decides from the caller alone."""

    def terms(self, caller: CallerContext) -> Terms: ...


@dataclass(frozen=True, slots=True)
class FairShareStrategy:
    """`capacity` over the active callers: alone, a caller may have all of it; at least 1 is left to each."""

    capacity: int

    def terms(self, caller: CallerContext) -> Terms:
        return Terms(capacity=self.capacity)


@dataclass(frozen=True, slots=True)
class MembershipTierStrategy:
    """A limit a tier. A tier that has none of its own is treated as `otherwise`."""

    limits: Mapping[str, int]
    otherwise: str = "standard"

    def terms(self, caller: CallerContext) -> Terms:
        return Terms(limit=self.limits.get(caller.tier, self.limits.get(self.otherwise)))


@dataclass(frozen=True, slots=True)
class CompositeStrategy:
    """The strictest of several."""

    parts: Sequence[Strategy]

    def terms(self, caller: CallerContext) -> Terms:
        every = [part.terms(caller) for part in self.parts]
        return Terms(_strictest([one.limit for one in every]), _strictest([one.capacity for one in every]))


def _strictest(values: Sequence[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


UNLIMITED: Final = CompositeStrategy(())
