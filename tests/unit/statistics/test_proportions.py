from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.statistics.proportions import (
    paired_difference,
    samples_to_decide,
    two_digits_up,
    unpaired_difference,
)


@st.composite
def tables(draw):
    n = draw(st.integers(1, 5_000))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


@given(tables())
def test_the_interval_holds_what_was_found(table):
    lost, gained, n = table
    low, high = paired_difference(lost, gained, n)
    assert -1 <= low <= (lost - gained) / n <= high <= 1


@given(tables())
def test_the_two_models_exchanged_mirror_it(table):
    lost, gained, n = table
    low, high = paired_difference(lost, gained, n)
    assert paired_difference(gained, lost, n) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("n", [36, 360, 10_000])
def test_models_that_never_differ_are_known_to_z_squared(n):
    z2 = 1.959964**2
    assert paired_difference(0, 0, n) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), rel=1e-6)


@pytest.mark.parametrize(("lost", "gained", "n"), [(1, 12, 44), (0, 7, 44), (9, 3, 360)])
def test_the_limits_are_where_the_score_of_the_likeliest_rates_reaches_z(lost, gained, n):
    def score(loss):
        rates = np.linspace(max(0.0, -loss), (1 - loss) / 2, 400_001)[1:-1]
        likelihood = gained * np.log(rates) + (n - lost - gained) * np.log(1 - 2 * rates - loss)
        likelihood += lost * np.log(np.maximum(rates + loss, 1e-300))
        rate = rates[likelihood.argmax()]  # of the samples that the second alone gets right
        return (lost - gained - n * loss) / np.sqrt(n * (2 * rate + loss - loss**2))

    low, high = paired_difference(lost, gained, n)
    assert score(low) == pytest.approx(1.96, abs=0.01)
    assert score(high) == pytest.approx(-1.96, abs=0.01)


@pytest.mark.parametrize(("n", "rates"), [(50, (0.02, 0.02)), (200, (0.02, 0.005))])
def test_the_true_difference_is_inside_in_95_of_100(n, rates):
    lost_rate, gained_rate = rates
    covered = 0.0
    for lost in range(25):
        for gained in range(25):
            low, high = paired_difference(lost, gained, n)
            if low <= lost_rate - gained_rate <= high:
                rest = n - lost - gained
                ways = comb(n, lost) * comb(n - lost, gained)
                likely = lost_rate**lost * gained_rate**gained
                covered += ways * likely * (1 - lost_rate - gained_rate) ** rest
    assert covered >= 0.93  # a score interval is off by a point at worst


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="are inconsistent"):
        paired_difference(30, 30, 36)


def test_36_samples_cannot_tell_a_drop_of_one_point_and_380_could():
    assert paired_difference(0, 0, 36)[1] > 0.09
    assert samples_to_decide(0, 0, 36, 0.01) == 390  # 381, rounded up to two digits
    assert paired_difference(0, 0, 381)[1] <= 0.01 < paired_difference(0, 0, 380)[1]


@given(tables(), st.floats(0.001, 0.2))
def test_so_many_samples_really_decide(table, limit):
    lost, gained, n = table
    needed = samples_to_decide(lost, gained, n, limit)
    if needed is None:
        assert abs((lost - gained) / n - limit) < 0.001
        return
    scale = needed / n
    low, high = paired_difference(lost * scale, gained * scale, needed)
    assert high <= limit + 1e-9 or low > limit - 1e-9


def test_counts_are_rounded_up():
    assert [two_digits_up(count) for count in (7, 99, 101, 381, 40_001)] == [
        7,
        99,
        110,
        390,
        41_000,
    ]


def test_independent_samples_give_a_wider_interval():
    low, high = unpaired_difference(0.9, (0.85, 0.93), 0.9, (0.85, 0.93))
    assert low < 0 < high
    assert (low, high) == pytest.approx((-0.0583, 0.0583), abs=1e-3)
