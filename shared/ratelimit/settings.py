"""What limits hold, as the environment says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import InvalidInput
from shared.ratelimit.strategies import CompositeStrategy, FairShareStrategy, MembershipTierStrategy, Strategy
from shared.settings import Environment

STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Cost units per `window_s`: `tiers` are limits of one caller, `capacity` is shared by all who are active."""

    redis_url: str = field(repr=False)
    tiers: Mapping[str, int]
    capacity: int
    window_s: float = 60.0

    @classmethod
    def read(cls, env: Environment) -> "LimitSettings | None":
        """None where limits are switched off."""
        if not env.flag("RATE_LIMITS", default=True):
            return None
        tiers = env.table("RATE_TIER_LIMITS", "free=600,standard=6000,premium=60000")
        if STANDARD not in tiers:
            sentence = f"RATE_TIER_LIMITS must have a limit for {STANDARD}: it holds for tiers that are not listed"
            raise InvalidInput("setting_invalid", sentence, field="RATE_TIER_LIMITS")
        capacity = env.integer("RATE_CAPACITY", 60_000, minimum=1)
        return cls(env.text("REDIS_URL"), tiers, capacity, env.number("RATE_WINDOW_SECONDS", 60.0, minimum=1.0))

    def strategy(self) -> Strategy:
        """The strictest of a caller's tier and its share."""
        return CompositeStrategy((MembershipTierStrategy(self.tiers, STANDARD), FairShareStrategy(self.capacity)))
