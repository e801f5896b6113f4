"""Strategies: what a caller may spend."""

import pytest

from shared.auth.context import CallerContext
from shared.errors import InvalidInput
from shared.ratelimit.settings import LimitSettings
from shared.ratelimit.strategies import (
    UNLIMITED,
    CompositeStrategy,
    FairShareStrategy,
    MembershipTierStrategy,
    Terms,
)
from shared.settings import Environment

TIERS = MembershipTierStrategy({"free": 10, "standard": 100})


def of_tier(tier: str) -> CallerContext:
    return CallerContext("c", tier=tier)


def test_a_tier_has_its_limit_and_an_unknown_one_the_standard() -> None:
    assert [TIERS.terms(of_tier(tier)).limit for tier in ("free", "standard", "platinum")] == [10, 100, 100]


def test_a_fair_share_is_of_the_same_capacity_for_everybody() -> None:
    assert {FairShareStrategy(50).terms(of_tier(tier)) for tier in ("free", "gold")} == {Terms(capacity=50)}


def test_the_strictest_of_several_counts() -> None:
    both = CompositeStrategy((TIERS, FairShareStrategy(50), FairShareStrategy(40), MembershipTierStrategy({}, "x")))
    assert both.terms(of_tier("free")) == Terms(limit=10, capacity=40)
    assert UNLIMITED.terms(of_tier("free")) == Terms()


def test_limits_come_from_the_environment() -> None:
    given = {"REDIS_URL": "redis://r", "RATE_TIER_LIMITS": " free = 5 , standard=7,", "RATE_CAPACITY": "9"}
    settings = LimitSettings.read(Environment(given))
    assert settings is not None
    assert settings.strategy().terms(of_tier("free")) == Terms(limit=5, capacity=9)
    assert LimitSettings.read(Environment({"RATE_LIMITS": "false"})) is None


@pytest.mark.parametrize("text", ["free", "free=", "=5", "free=0,standard=1", "free=-1", "free=1.5", "free=5"])
def test_limits_that_make_no_sense_are_refused_at_start(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        LimitSettings.read(Environment({"REDIS_URL": "redis://r", "RATE_TIER_LIMITS": text}))
    assert refused.value.field == "RATE_TIER_LIMITS"


def test_limits_without_a_redis_are_refused_at_start() -> None:
    with pytest.raises(InvalidInput, match="REDIS_URL"):
        LimitSettings.read(Environment({}))
