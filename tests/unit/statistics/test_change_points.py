"""Change points are where they were planted, and nowhere else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.statistics.change_points import find_changes
from edgecnn.statistics.samples import wilson_interval
from edgecnn.store.history import METRICS, Point, Series


def series(levels, counts, spread=0.01, seed=0, value=30.0):
    rng = np.random.default_rng(seed)
    typical = np.repeat(levels, counts)
    return list(value * typical * np.exp(rng.normal(0, spread, typical.size)))


def intervals(values, spread):
    return [(value * np.exp(-1.96 * spread), value * np.exp(1.96 * spread)) for value in values]


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("length", "trials"), [(10, 400), (40, 300), (300, 60)])
def test_a_series_without_a_change_is_called_changed_in_one_of_a_hundred_at_most(
    length, trials, told
):
    called = 0
    for seed in range(trials):
        values = series([1], [length], seed=seed)
        called += bool(find_changes(values, intervals(values, 0.01) if told else None))
    assert called <= trials / 100


def test_intervals_that_are_too_narrow_raise_no_alarm():
    called = 0
    for seed in range(200):
        values = series([1], [40], spread=0.03, seed=seed)
        called += bool(find_changes(values, intervals(values, 0.005)))
    assert called <= 2


@pytest.mark.parametrize("factor", [1.05, 0.95, 1.5])
def test_a_step_is_found_at_its_place(factor):
    found_right = 0
    for seed in range(40):
        values = series([1, factor], [20, 15], seed=seed)
        changes = find_changes(values, intervals(values, 0.01))
        found_right += (
            len(changes) == 1
            and abs(changes[0].index - 20) <= 1
            and changes[0].low <= changes[0].ratio <= changes[0].high
        )
    assert found_right >= 38


def test_the_interval_of_a_step_holds_it():
    held = 0
    for seed in range(60):
        (change,) = find_changes(series([1, 1.1], [20, 20], seed=seed))
        held += change.low <= 1.1 <= change.high
    assert held >= 54


def test_a_step_up_and_down_again_is_two_changes():
    changes = find_changes(series([1, 1.08, 1], [15, 8, 15]))
    assert [change.index for change in changes] == [15, 23]
    assert changes[0].ratio > 1 > changes[1].ratio


def test_three_measurements_after_a_step_are_enough_and_two_are_not():
    assert find_changes(series([1, 1.2], [20, 3]))
    assert not find_changes(series([1, 1.2], [20, 2]))


@pytest.mark.parametrize("place", [0, 1, 10, 19])
def test_one_odd_measurement_is_no_change(place):
    values = series([1], [20])
    values[place] *= 1.8
    assert not find_changes(values)


def test_numbers_that_repeat_exactly_change_when_they_change():
    (change,) = find_changes([71_000.0] * 5 + [69_000.0] * 4)
    assert change.index == 5
    assert not find_changes([71_000.0] * 30)


def test_a_change_below_one_percent_is_none_however_sure():
    assert not find_changes(series([1, 1.005], [100, 100], spread=0.0005))


def test_what_is_no_positive_number_is_left_out():
    values = series([1, 1.3], [10, 10])
    values[4:4] = [0.0, float("nan"), float("inf"), -1.0]
    (change,) = find_changes(values)
    assert change.index == 14


@given(st.lists(st.floats(min_value=1e-9, max_value=1e12), max_size=60))
def test_changes_come_in_order_and_at_least_three_apart(values):
    places = [change.index for change in find_changes(values)]
    if places:
        edges = [0, *places, len(values)]
        assert all(second - first >= 3 for first, second in pairwise(edges))


@given(
    st.lists(st.integers(8, 25), min_size=2, max_size=5),
    st.sampled_from([1.1, 1 / 1.1, 1.5]),
    st.integers(0, 2**32 - 1),
)
def test_every_step_of_a_staircase_is_found_at_its_place(counts, factor, seed):
    """In values of which none is an outlier: that would be set aside, and the next one counts."""
    levels = np.repeat(factor ** np.arange(len(counts)), counts)
    values = levels * np.random.default_rng(seed).uniform(0.999, 1.001, levels.size)
    found = [change.index for change in find_changes(list(values))]
    assert found == np.cumsum(counts)[:-1].tolist()


@pytest.mark.parametrize(
    ("before", "after"), [(0.97, 0.0), (0.0, 0.97), (0.5, 0.97)], ids=["lost", "won", "better"]
)
@pytest.mark.parametrize("told", [True, False])
def test_an_accuracy_that_falls_to_nothing_is_a_change(before, after, told):
    points = []
    for place, level in enumerate([before] * 6 + [after] * 5):
        value = level + (0.001 * (place % 3) if level else 0.0)
        span = wilson_interval(round(360 * value), 360) if told else (None, None)
        points.append(Point(float(place), value, *span))
    (change,) = Series("net", "board", METRICS["accuracy"], tuple(points)).with_changes().changes
    assert change.index == 6
    assert (change.before, change.after) == pytest.approx((before, after), abs=0.005)
    assert (change.before == 0.0, change.after == 0.0) == (before == 0.0, after == 0.0)
    assert (change.ratio > 1) == (after > before)


def test_a_model_that_is_right_by_chance_alone_raises_no_alarm():
    """Of 360 samples none, one or two: on a logarithmic scale such noise has no end."""
    called = 0
    for seed in range(100):
        right = np.random.default_rng(seed).binomial(360, 0.002, 30)
        points = tuple(
            Point(float(place), count / 360, *wilson_interval(int(count), 360))
            for place, count in enumerate(right)
        )
        called += bool(Series("net", "board", METRICS["accuracy"], points).with_changes().changes)
    assert called <= 1
