"""What is done about a decision: bounds, activity, when the activator is in the path, and the last replica."""

from dataclasses import dataclass, replace
from enum import StrEnum

UNKNOWN = -1
LOOK_AGAIN_S = 1.0
LOOK_AGAIN_PROXIED_S = 3.0


class Activity(StrEnum):
    ACTIVATING = "activating"
    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True)
class ScaleRules:
    """`max_scale` 0: no bound. `min_scale` and `retention_s` mean nothing once the revision is unreachable."""

    min_scale: int = 0
    max_scale: int = 0
    initial_scale: int = 1
    stable_window_s: float = 60.0
    retention_s: float = 0.0
    grace_s: float = 30.0
    activation_timeout_s: float = 630.0
    scale_to_zero: bool = True
    reachable: bool = True


@dataclass(frozen=True)
class ScaleStatus:
    """`since` is when `activity` last changed, `proxied_since` when the activator came into the path (None: it is not
    in it), `initialized` whether the initial scale was ever reached."""

    since: float
    proxied_since: float | None
    activity: Activity = Activity.ACTIVATING
    initialized: bool = False


@dataclass(frozen=True)
class ScalePlan:
    """`apply`: set the replicas to `want`. `again_in_s`: look again then, even if nothing happens until then."""

    want: int
    apply: bool
    again_in_s: float | None = None


def start(now: float) -> ScaleStatus:
    """A revision is born behind the activator."""
    return ScaleStatus(since=now, proxied_since=now)


def first_replicas(rules: ScaleRules) -> int:
    """What a new revision's deployment asks for, before any decision."""
    return rules.initial_scale


def plan(
    rules: ScaleRules, status: ScaleStatus, desired: int, excess_burst_capacity: int, ready: int, now: float
) -> tuple[ScalePlan, ScaleStatus]:
    """`desired` is the last valid decision's, `UNKNOWN` before the first."""
    wanted = _scale(rules, status, desired, now)
    status = _route(status, wanted.want, excess_burst_capacity, ready, now)
    return wanted, _activity(rules, status, wanted.want, ready, now)


def bounded(rules: ScaleRules, initialized: bool, desired: int) -> int:
    least = rules.min_scale if rules.reachable else 0
    if rules.initial_scale > 1 and not initialized and rules.reachable:
        least = max(least, rules.initial_scale)
    if desired < least:
        return least
    return min(desired, rules.max_scale) if rules.max_scale else desired


def _scale(rules: ScaleRules, status: ScaleStatus, desired: int, now: float) -> ScalePlan:
    if desired < 0 and status.activity is not Activity.ACTIVATING:
        return ScalePlan(desired, apply=False)
    desired = bounded(rules, status.initialized, desired)
    if desired != 0:
        return ScalePlan(desired, apply=True)
    if not rules.scale_to_zero:
        return ScalePlan(1, apply=True)
    return _TO_ZERO[status.activity](rules, status, now)


def _give_up_activating(rules: ScaleRules, status: ScaleStatus, now: float) -> ScalePlan:
    if now - status.since > rules.activation_timeout_s:
        return ScalePlan(0, apply=True)
    return ScalePlan(UNKNOWN, apply=False, again_in_s=rules.activation_timeout_s)


def _become_inactive(rules: ScaleRules, status: ScaleStatus, now: float) -> ScalePlan:
    """One replica is kept until the revision was active for a window; wanting none then only makes it inactive."""
    active_s = now - status.since
    if active_s >= rules.stable_window_s:
        again_in_s = None if status.proxied_since is None else LOOK_AGAIN_PROXIED_S
        return ScalePlan(0, apply=False, again_in_s=again_in_s)
    return ScalePlan(1, apply=True, again_in_s=rules.stable_window_s - active_s)


def _let_the_last_go(rules: ScaleRules, status: ScaleStatus, now: float) -> ScalePlan:
    """Not before the retention period, nor before the activator has been in the path for the grace period."""
    if status.proxied_since is None:
        return ScalePlan(0, apply=False, again_in_s=LOOK_AGAIN_S)
    retention_s = rules.retention_s if rules.reachable else 0.0
    inactive_s, proxied_s = now - status.since, now - status.proxied_since
    if inactive_s >= max(rules.grace_s, retention_s):
        return ScalePlan(0, apply=True)
    if inactive_s < retention_s:
        return ScalePlan(0, apply=False, again_in_s=retention_s - inactive_s)
    if proxied_s >= rules.grace_s:
        return ScalePlan(0, apply=True)
    return ScalePlan(0, apply=False, again_in_s=rules.grace_s - proxied_s)


_TO_ZERO = {
    Activity.ACTIVATING: _give_up_activating,
    Activity.ACTIVE: _become_inactive,
    Activity.INACTIVE: _let_the_last_go,
}


def _route(status: ScaleStatus, want: int, excess_burst_capacity: int, ready: int, now: float) -> ScaleStatus:
    """Past the activator only with replicas ready, wanted, and able to take the burst."""
    direct = want > 0 and excess_burst_capacity >= 0 and ready > 0
    if direct:
        return replace(status, proxied_since=None)
    return status if status.proxied_since is not None else replace(status, proxied_since=now)


def _activity(rules: ScaleRules, status: ScaleStatus, want: int, ready: int, now: float) -> ScaleStatus:
    enough = _enough(rules, status)
    if ready >= enough and not status.initialized:
        status = replace(status, initialized=True)
    if want == 0 or enough == 0:
        return _become(status, Activity.INACTIVE, now)
    if want < 0 and status.activity is Activity.INACTIVE:
        return status
    return _become(status, Activity.ACTIVE if ready >= enough else Activity.ACTIVATING, now)


def _enough(rules: ScaleRules, status: ScaleStatus) -> int:
    """Ready replicas that make a revision active."""
    least = rules.min_scale if rules.reachable else 0
    return max(least, 1 if status.initialized else rules.initial_scale)


def _become(status: ScaleStatus, activity: Activity, now: float) -> ScaleStatus:
    return status if status.activity is activity else replace(status, activity=activity, since=now)
