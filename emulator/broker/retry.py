"""When a failed delivery is tried again: Knative's statuses and its exact back-off, without jitter or cap."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from emulator.broker.ports import Destination

_RETRYABLE = frozenset({404, 408, 409, 429})
_HONOURS_RETRY_AFTER = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """`spec.delivery`, after inheritance. Without both back-off fields all retries come at once."""

    retry: int = 0
    backoff_policy: Literal["linear", "exponential"] | None = None
    backoff_delay_s: float | None = None
    timeout_s: float | None = None
    retry_after_max_s: float | None = None
    dead_letter_sink: Destination | None = None
    format: Literal["binary", "json"] | None = None


BROKER_DEFAULT = DeliveryPolicy(retry=10, backoff_policy="exponential", backoff_delay_s=0.2)


def is_retryable(status: int) -> bool:
    return status in _RETRYABLE or status >= 500


def backoff_s(policy: DeliveryPolicy, retries: int) -> float:
    """The wait before retry number `retries`, counted from 0: linear 0, d, 2d; exponential d, 2d, 4d."""
    if policy.backoff_policy is None or policy.backoff_delay_s is None:
        return 0.0
    if policy.backoff_policy == "linear":
        return policy.backoff_delay_s * retries
    return policy.backoff_delay_s * 2.0 ** min(retries, 1000)


def wait_s(policy: DeliveryPolicy, retries: int, status: int, retry_after_s: float | None) -> float:
    """`Retry-After` counts only where `retryAfterMax` is set, and never shortens the back-off."""
    wait = backoff_s(policy, retries)
    if policy.retry_after_max_s is None or retry_after_s is None or status not in _HONOURS_RETRY_AFTER:
        return wait
    return max(wait, min(retry_after_s, policy.retry_after_max_s))


def retry_after_s(value: str, now: datetime) -> float | None:
    """Seconds or an HTTP date; None for anything else."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
