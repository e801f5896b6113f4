"""Buckets and their averages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.kpa.windows import Buckets, is_empty, linear_average, record, weighted_average

LOADS = st.lists(st.integers(0, 1000), min_size=1, max_size=90)


def filled(*values: float, window_s: int = 4, start: int = 0) -> Buckets:
    buckets = Buckets.over(window_s)
    for second, value in enumerate(values, start):
        buckets = record(buckets, second, value)
    return buckets


@given(LOADS, st.integers(1, 60), st.integers(0, 2**31))
@settings(deadline=None)
def test_an_average_is_the_mean_of_the_last_window_or_of_what_there_is(loads: list[int], size: int, start: int) -> None:
    last = loads[-size:]
    buckets = filled(*loads, window_s=size, start=start)
    assert linear_average(buckets, start + len(loads) - 1) == pytest.approx(sum(last) / len(last), abs=1e-6)


def test_samples_of_one_second_add_up() -> None:
    assert linear_average(record(filled(1, 2), 1.9, 4), 1.2) == 3.5


def test_a_gap_within_the_window_counts_as_zeros() -> None:
    assert linear_average(record(filled(4, 4), 3, 4), 3) == 3


def test_a_gap_as_long_as_the_window_starts_afresh() -> None:
    assert linear_average(record(filled(4, 4), 5, 8), 5) == 8


def test_silence_averages_what_is_left_until_the_window_has_passed() -> None:
    buckets = filled(1, 2, 3, 6)
    assert [linear_average(buckets, now) for now in (4, 5, 6, 7)] == [3.666667, 4.5, 6, 0]


def test_a_late_sample_joins_its_second_and_one_older_than_the_window_is_ignored() -> None:
    buckets = filled(1, 1, 1, 1, start=10)
    assert linear_average(record(buckets, 11, 4), 13) == 2
    assert record(buckets, 9, 4) == buckets


def test_a_sample_before_the_first_widens_a_partial_window() -> None:
    assert linear_average(record(filled(4, start=10), 9, 2), 10) == 3


@pytest.mark.parametrize(("now", "empty"), [(0, False), (4, False), (5, True)])
def test_buckets_are_empty_once_more_than_a_window_has_passed(now: int, empty: bool) -> None:
    assert is_empty(filled(1), now) is empty
    assert is_empty(Buckets.over(4), now)


def test_averages_round_half_away_from_zero() -> None:
    assert linear_average(filled(0.0000005), 0) == 0.000001


def test_a_weighted_average_forgets_by_a_fifth_a_second_in_a_long_window() -> None:
    buckets = filled(10, 10, 5, 5, window_s=60)
    expected = sum(value * 0.2 * 0.8**back for back, value in enumerate((5, 5, 10, 10)))
    assert weighted_average(buckets, 3) == pytest.approx(expected)


@pytest.mark.parametrize(("size", "share"), [(1, 0.9999), (2, 0.9999), (6, 0.9999), (41, 0.9999), (60, 1 - 0.8**60)])
def test_a_weighted_average_gives_its_window_all_but_a_trifle_of_the_weight(size: int, share: float) -> None:
    assert weighted_average(filled(*[1] * size, window_s=size), size - 1) == pytest.approx(share)


def test_the_weights_of_the_default_panic_window_are_exact() -> None:
    assert weighted_average(filled(1, window_s=6), 0) == 0.7845565309968116


def test_silence_decays_a_weighted_average_to_nothing() -> None:
    buckets = filled(8, window_s=2)
    averages = [weighted_average(buckets, now) for now in range(4)]
    assert averages == pytest.approx([8 * 0.99, 8 * 0.99 * 0.01, 0, 0])


@given(LOADS)
@settings(deadline=None)
def test_the_newer_half_weighs_more(loads: list[int]) -> None:
    rising, falling = filled(*sorted(loads), window_s=90), filled(*sorted(loads, reverse=True), window_s=90)
    now = len(loads) - 1
    assert weighted_average(rising, now) >= weighted_average(falling, now) - 1e-9
