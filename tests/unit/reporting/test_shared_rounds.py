"""Rows that took turns in rounds are ranked by what they have in common."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.analysis.pairing import Times, shared_times


def times(values: dict[int, float], quiet: dict[int, float] | None = None) -> Times:
    every = tuple(values.items())
    return Times(every if quiet is None else tuple(quiet.items()), every)


@given(
    st.lists(st.floats(0.01, 100), min_size=2, max_size=6),
    st.lists(st.floats(0.2, 5), min_size=3, max_size=6),
)
def test_with_the_same_rounds_the_ratio_is_the_mean_ratio_of_the_rounds(own, moods):
    noise = np.random.default_rng(0).normal(0, 0.05, (len(own), len(moods)))
    rows = [
        {n: a * mood * exp(noise[place][n]) for n, mood in enumerate(moods)}
        for place, a in enumerate(own)
    ]
    found = shared_times([times(row) for row in rows], own)
    expected = np.mean([log(rows[1][n] / rows[0][n]) for n in range(len(moods))])
    assert log(found[1] / found[0]) == pytest.approx(expected, abs=1e-9)


def test_a_row_that_missed_the_slow_rounds_gains_nothing_by_it():
    moods = {0: 1.0, 1: 1.0, 2: 1.0, 3: 2.0, 4: 2.0}
    rows = [moods, {n: 1.1 * moods[n] for n in (0, 1, 2)}, {n: 1.2 * moods[n] for n in (0, 3, 4)}]
    first, second, third = shared_times([times(row) for row in rows], [1.0, 1.1, 2.4])
    assert second / first == pytest.approx(1.1)
    assert third / first == pytest.approx(1.2)


def test_the_scale_is_that_of_the_rows_own_medians():
    rows = [dict.fromkeys(range(3), 2.0), dict.fromkeys(range(3), 8.0)]
    assert shared_times([times(row) for row in rows], [1.0, 4.0]) == pytest.approx([1.0, 4.0])


def test_fewer_than_three_rounds_rank_nothing():
    three = {0: 1.0, 1: 1.0, 2: 1.0}
    found = shared_times([times(three), times(three), times({0: 0.5, 1: 0.5})], [1.0, 1.0, 0.5])
    assert found == [pytest.approx(1.0), pytest.approx(1.0), None]
    assert shared_times([times(three)], [1.0]) == [None]


def in_rounds(first: int, time: float = 1.0) -> Times:
    return times(dict.fromkeys(range(first, first + 3), time))


def test_a_row_whose_rounds_no_other_row_has_is_not_ranked_by_rounds():
    both = [in_rounds(0), in_rounds(0, 2.0), in_rounds(10, 3.0)]
    assert shared_times(both, [1.0, 2.0, 3.0]) == [pytest.approx(1.0), pytest.approx(2.0), None]
    assert shared_times([in_rounds(0), in_rounds(10)], [1.0, 1.0]) == [None, None]


def test_rounds_with_a_row_that_is_not_ranked_are_not_shared():
    short = times({0: 1.0, 1: 1.0})
    rows = [in_rounds(0), times({0: 1.0, 1: 1.0, 7: 1.0, 8: 1.0}), short]
    assert shared_times(rows, [1.0, 1.0, 1.0]) == [None, None, None]


def test_of_sets_of_rows_without_a_shared_round_only_the_largest_is_ranked():
    large, small = [in_rounds(0), in_rounds(0), in_rounds(0)], [in_rounds(10), in_rounds(10)]
    found = shared_times([*small, *large], [1.0] * 5)
    assert [time is None for time in found] == [True, True, False, False, False]
    assert shared_times([*small, *large[:2]], [1.0] * 4) == [None] * 4


def test_sets_of_rows_that_a_third_connects_are_one():
    bridge = times({**dict.fromkeys(range(3), 2.0), **dict.fromkeys(range(10, 13), 4.0)})
    found = shared_times([in_rounds(0), bridge, in_rounds(10)], [1.0, 2.0, 0.5])
    assert found[1] / found[0] == pytest.approx(2.0)
    assert found[1] / found[2] == pytest.approx(4.0)


def test_rounds_of_one_row_alone_change_nothing():
    slow, fast = dict.fromkeys(range(10, 400), 50.0), dict.fromkeys(range(400, 900), 0.01)
    one = times({**dict.fromkeys(range(3), 1.0), **slow})
    other = times({**dict.fromkeys(range(3), 2.0), **fast})
    one, other = shared_times([one, other], [1.0, 2.0])
    assert other / one == pytest.approx(2.0, rel=1e-9)


def test_undisturbed_times_count_only_where_each_row_has_enough_of_them():
    disturbed = {0: 3.0, 1: 3.0, 2: 3.0}
    quiet = {0: 1.0, 1: 1.0, 2: 1.0}
    plain = times({0: 2.0, 1: 2.0, 2: 2.0})
    one, other = shared_times([times(disturbed, quiet), plain], [1.0, 2.0])
    assert one < other
    one, other = shared_times([times(disturbed, {0: 1.0}), plain], [1.0, 2.0])
    assert one > other


def test_all_times_count_where_no_undisturbed_round_is_shared():
    every = dict.fromkeys(range(6), 1.0)
    rows = [times(every, dict.fromkeys(range(3), 1.0)), times(every, dict.fromkeys((3, 4, 5), 1.0))]
    assert shared_times(rows, [1.0, 1.0]) == pytest.approx([1.0, 1.0])


def test_rows_without_rounds_of_their_own_are_not_ranked():
    one = Times(((0, 1.0), (0, 1.0), (0, 1.0)), ((0, 1.0), (0, 1.0), (0, 1.0)))
    assert shared_times([one, one], [1.0, 1.0]) == [None, None]
