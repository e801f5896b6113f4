"""The back-off as it was read in the source and measured, without any clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from emulator.broker.retry import BROKER_DEFAULT, DeliveryPolicy, backoff_s, is_retryable, retry_after_s, wait_s

NOW = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)
LINEAR = DeliveryPolicy(retry=4, backoff_policy="linear", backoff_delay_s=0.2)
EXPONENTIAL = DeliveryPolicy(retry=4, backoff_policy="exponential", backoff_delay_s=0.2)


def test_the_first_linear_retry_is_immediate() -> None:
    assert [backoff_s(LINEAR, k) for k in range(4)] == pytest.approx([0, 0.2, 0.4, 0.6])


def test_exponential_doubles_from_the_delay_itself() -> None:
    assert [backoff_s(EXPONENTIAL, k) for k in range(4)] == pytest.approx([0.2, 0.4, 0.8, 1.6])


def test_the_brokers_default_waits_204_seconds_in_all() -> None:
    assert sum(backoff_s(BROKER_DEFAULT, k) for k in range(BROKER_DEFAULT.retry)) == pytest.approx(204.6)


@pytest.mark.parametrize("half", [DeliveryPolicy(backoff_policy="linear"), DeliveryPolicy(backoff_delay_s=1)])
def test_half_a_backoff_is_none(half: DeliveryPolicy) -> None:
    assert backoff_s(half, 3) == 0


def test_what_is_retried() -> None:
    assert {status for status in range(300, 520) if is_retryable(status)} == {404, 408, 409, 429, *range(500, 520)}


def test_a_backoff_beyond_all_numbers_is_still_a_number() -> None:
    assert backoff_s(EXPONENTIAL, 100_000) > 1e300


@pytest.mark.parametrize(
    ("longest_s", "status", "asked_s", "expected_s"),
    [(None, 429, 5, 0.2), (10, 429, 5, 5), (10, 503, 60, 10), (10, 500, 5, 0.2), (10, 429, 0.1, 0.2), (0, 429, 5, 0.2)],
)
def test_retry_after_counts_within_its_bound(
    longest_s: float | None, status: int, asked_s: float, expected_s: float
) -> None:
    policy = DeliveryPolicy(retry=1, backoff_policy="exponential", backoff_delay_s=0.2, retry_after_max_s=longest_s)
    assert wait_s(policy, 0, status, asked_s) == expected_s


@pytest.mark.parametrize(
    ("value", "expected_s"),
    [
        ("7", 7),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        ("soon", None),
        ("-1", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected_s: float | None) -> None:
    assert retry_after_s(value, NOW) == expected_s
