from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.statistics.ratios import paired, unpaired

TIMES = st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=10)


def numbered(times):
    return dict(enumerate(times))


@given(TIMES)
def test_a_row_against_itself_is_exactly_one_and_never_different(times):
    for ratio in (paired(numbered(times), numbered(times)), unpaired(times, times)):
        assert ratio.value == pytest.approx(1.0)
        assert not ratio.differs()


@given(TIMES, st.floats(0.01, 100))
def test_a_machine_that_is_slower_in_a_round_cancels(times, factor):
    ratio = paired(numbered(times), numbered([time * factor for time in times]))
    assert ratio.value == pytest.approx(factor)
    assert ratio.interval() == pytest.approx((factor, factor))


@given(TIMES, TIMES, st.floats(0.01, 100))
def test_the_unit_does_not_matter(first, second, unit):
    plain = unpaired(first, second)
    scaled = unpaired([time * unit for time in first], [time * unit for time in second])
    assert scaled.value == pytest.approx(plain.value)
    assert scaled.error == pytest.approx(plain.error, abs=1e-9)


@given(TIMES, TIMES)
def test_the_other_way_round_is_the_reciprocal(first, second):
    there, back = unpaired(first, second), unpaired(second, first)
    low, high = there.interval()
    assert back.value == pytest.approx(1 / there.value)
    assert back.interval() == pytest.approx((1 / high, 1 / low), rel=1e-6)


@given(TIMES, TIMES)
def test_more_confidence_is_a_wider_interval_around_the_ratio(first, second):
    ratio = unpaired(first, second)
    low, high = ratio.interval(0.95)
    lower, higher = ratio.interval(0.99)
    assert lower <= low <= ratio.value <= high <= higher


def test_two_rounds_are_too_few_and_only_common_rounds_count():
    first = {0: 1.0, 1: 1.0, 2: 1.0, 7: 5.0}
    assert paired(first, {0: 2.0, 1: 2.0, 9: 2.0}) is None
    assert paired(first, {0: 2.0, 1: 2.0, 2: 2.0, 9: 50.0}).value == pytest.approx(2.0)
    assert paired(first, {0: 2.0, 1: 2.0, 2: 2.0}).rounds == 3


def test_fewer_than_three_processes_on_a_side_give_no_ratio():
    assert unpaired([1.0], [1.0, 1.1, 1.2]) is None
    assert unpaired([1.0, 1.1], [1.2, 1.3, 1.4]) is None
    assert unpaired([1.0, 1.1, 1.2], [1.2, 1.3, 1.4]) is not None


def test_the_degrees_of_freedom_are_welchs():
    # two sides whose spreads are the same have n + m − 2, very different ones n − 1
    assert unpaired([1.0, 1.1, 1.2, 1.3], [2.0, 2.2, 2.4, 2.6]).degrees == 6
    assert unpaired([1.0, 1.1, 1.2, 1.3], [2.0, 2.000001, 2.000002]).degrees == 3


@pytest.mark.parametrize("n", [3, 5, 10])
def test_few_comparisons_of_equals_are_called_different(n):
    rng = np.random.default_rng(n)
    called = {"paired": 0, "unpaired": 0}
    for _ in range(2_000):
        shared = rng.normal(0, 0.2, n)  # the machine's speed in each round
        first, second = (np.exp(shared + rng.normal(0, 0.01, n)) for _ in range(2))
        called["paired"] += paired(numbered(first), numbered(second)).differs()
        apart = [np.exp(rng.normal(0, spread, n)) for spread in (0.01, 0.03)]
        called["unpaired"] += unpaired(*apart).differs()
    assert max(called.values()) <= 0.016 * 2_000  # 1% and three standard errors


def test_pairing_finds_what_the_machines_moods_would_hide():
    rng = np.random.default_rng(3)
    mood = rng.normal(0, 0.3, 10)
    first = np.exp(mood + rng.normal(0, 0.01, 10))
    second = 1.03 * np.exp(mood + rng.normal(0, 0.01, 10))
    assert paired(numbered(first), numbered(second)).differs()
    assert not unpaired(first, second).differs()
