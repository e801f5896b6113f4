"""Bounds, activity, and the way to zero and back."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.kpa import scaler
from emulator.kpa.scaler import UNKNOWN, Activity, ScalePlan, ScaleRules, ScaleStatus, bounded, plan

PROXIED, DIRECT = -200, 5


@dataclass
class Revision:
    """Follows its plans; `ready` follows the replicas at once."""

    rules: ScaleRules
    replicas: int = 0
    status: ScaleStatus = field(default_factory=lambda: scaler.start(0))

    def look(self, now: float, desired: int, capacity: int = PROXIED) -> ScalePlan:
        wanted, self.status = plan(self.rules, self.status, desired, capacity, self.replicas, now)
        if wanted.apply:
            self.replicas = wanted.want
        return wanted

    def gone_at(self, times: Iterable[int], capacity: int = PROXIED) -> int | None:
        """When the last replica goes, looked at in these seconds with no load."""
        for now in times:
            self.look(now, 0, capacity)
            if self.replicas == 0:
                return now
        return None


def serving(rules: ScaleRules = ScaleRules(), capacity: int = PROXIED) -> Revision:  # noqa: B008 - frozen
    revision = Revision(rules, replicas=max(1, rules.initial_scale))
    revision.look(0, 1, capacity)
    assert revision.status.activity is Activity.ACTIVE
    return revision


@given(
    st.builds(ScaleRules, min_scale=st.integers(0, 9), max_scale=st.integers(9, 20), initial_scale=st.integers(0, 9)),
    st.booleans(),
    st.integers(0, 100),
)
def test_bounds_hold(rules: ScaleRules, initialized: bool, desired: int) -> None:
    assert rules.min_scale <= bounded(rules, initialized, desired) <= rules.max_scale


@pytest.mark.parametrize(
    ("rules", "initialized", "desired", "expected"),
    [
        (ScaleRules(min_scale=2), True, 1, 2),
        (ScaleRules(max_scale=3), True, 9, 3),
        (ScaleRules(), True, 9, 9),
        (ScaleRules(initial_scale=4), False, 1, 4),
        (ScaleRules(initial_scale=4), True, 1, 1),
        (ScaleRules(initial_scale=4, min_scale=6), False, 1, 6),
        (ScaleRules(initial_scale=1), False, 0, 0),
        (ScaleRules(initial_scale=4, min_scale=2, reachable=False), False, 0, 0),
        (ScaleRules(initial_scale=8, max_scale=5), False, 6, 8),
    ],
)
def test_bounds(rules: ScaleRules, initialized: bool, desired: int, expected: int) -> None:
    assert bounded(rules, initialized, desired) == expected


def test_initial_scale_holds_until_it_was_reached_once() -> None:
    revision = Revision(ScaleRules(initial_scale=3), replicas=2)
    assert revision.look(0, 1).want == 3
    assert revision.status.activity is Activity.ACTIVATING
    revision.look(2, 1)
    assert revision.status.initialized
    assert revision.look(4, 1).want == 1


def test_one_replica_is_kept_until_the_revision_was_active_for_a_window() -> None:
    revision = serving()
    assert revision.look(10, 0) == ScalePlan(1, True, again_in_s=50)
    assert revision.look(60, 0) == ScalePlan(0, False, again_in_s=3)
    assert revision.status.activity is Activity.INACTIVE


def test_behind_the_activator_all_along_the_last_replica_goes_soon_after_the_window() -> None:
    assert serving().gone_at(range(2, 200)) == 61


def test_straight_to_the_replicas_the_activator_first_comes_into_the_path_for_the_grace_period() -> None:
    revision = serving(capacity=DIRECT)
    assert revision.status.proxied_since is None
    assert revision.gone_at(range(2, 200), DIRECT) == 60 + 30


def test_retention_keeps_the_last_replica_from_when_the_revision_became_inactive() -> None:
    assert serving(ScaleRules(retention_s=45)).gone_at(range(2, 200)) == 60 + 45
    assert serving(ScaleRules(retention_s=10)).gone_at(range(2, 200)) == 60 + 10


def test_an_unreachable_revision_is_not_retained() -> None:
    assert serving(ScaleRules(retention_s=45, reachable=False)).gone_at(range(2, 200)) == 61


def test_a_short_grace_period_bounds_the_wait_however_long_the_activator_was_in_the_path() -> None:
    assert serving(ScaleRules(grace_s=5), capacity=DIRECT).gone_at(range(2, 200), DIRECT) == 65


def test_a_minimum_or_a_cluster_without_scale_to_zero_never_reaches_it() -> None:
    assert serving(ScaleRules(min_scale=1)).gone_at(range(2, 200)) is None
    assert serving(ScaleRules(scale_to_zero=False)).gone_at(range(2, 200)) is None


def test_load_while_inactive_makes_it_active_again() -> None:
    revision = serving()
    revision.look(60, 0)
    assert revision.look(62, 2) == ScalePlan(2, True)
    assert revision.status.activity is Activity.ACTIVE


def test_from_zero_it_is_activating_until_a_replica_is_ready() -> None:
    revision = serving()
    revision.gone_at(range(2, 200))
    wanted, status = plan(revision.rules, revision.status, 1, PROXIED, 0, 100)
    assert (wanted.want, status.activity) == (1, Activity.ACTIVATING)
    _, status = plan(revision.rules, status, 1, PROXIED, 1, 103)
    assert (status.activity, status.since) == (Activity.ACTIVE, 103)


def test_what_never_becomes_ready_is_given_up_after_the_progress_deadline_and_half_a_minute() -> None:
    rules, status = ScaleRules(), scaler.start(0)
    for now in (0, 300, 630):
        wanted, status = plan(rules, status, 0, PROXIED, 0, now)
        assert (wanted.want, wanted.apply) == (UNKNOWN, False)
    wanted, status = plan(rules, status, 0, PROXIED, 0, 631)
    assert (wanted.want, wanted.apply, status.activity) == (0, True, Activity.INACTIVE)


def test_before_the_first_decision_a_settled_revision_stays_as_it_is() -> None:
    revision = serving()
    assert revision.look(2, UNKNOWN) == ScalePlan(UNKNOWN, False)
    assert revision.status.activity is Activity.ACTIVE
    revision.status = replace(revision.status, activity=Activity.INACTIVE)
    revision.look(4, UNKNOWN)
    assert revision.status.activity is Activity.INACTIVE


def test_an_initial_scale_of_zero_starts_inactive() -> None:
    revision = Revision(ScaleRules(initial_scale=0))
    revision.look(0, UNKNOWN)
    assert revision.status.activity is Activity.INACTIVE


def test_the_activator_leaves_the_path_only_with_replicas_ready_and_capacity_for_the_burst() -> None:
    status = scaler.start(0)
    for ready, capacity, proxied_since in ((0, 5, 0), (1, -1, 0), (1, 0, None), (1, -1, 3), (1, -1, 3)):
        _, status = plan(ScaleRules(), status, 1, capacity, ready, 3)
        assert status.proxied_since == proxied_since
