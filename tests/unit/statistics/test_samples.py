"""Statistics that decide what may be printed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgecnn.statistics import samples as stats


@pytest.mark.parametrize(("quantile", "count"), [(0.90, 64), (0.95, 130), (0.99, 662)])
def test_minimum_samples_are_loadgen_s_early_stopping_counts(quantile: float, count: int):
    """At 99% confidence, with one sample allowed above: P(Binomial(n, 1 − q) ≤ 1) ≤ 1%."""

    def at_most_one_above(n: int) -> float:
        return quantile**n + n * (1 - quantile) * quantile ** (n - 1)

    assert stats.minimum_samples(quantile) == count
    assert at_most_one_above(count) <= 0.01 < at_most_one_above(count - 1)


def test_a_percentile_is_claimed_only_from_enough_samples():
    assert stats.percentile(np.arange(661), 0.99) is None
    assert stats.percentile(np.arange(662), 0.99) == pytest.approx(654.39)


def test_the_median_needs_no_minimum():
    assert stats.percentile([1, 2, 9], 0.5) == 2


def test_the_median_interval_of_100_samples_is_that_of_the_textbook():
    """Conover 1999, table A3: ranks 40 and 61 of 100 for 95%."""
    assert stats.median_interval(range(1, 101)) == (40, 61)


def test_five_samples_have_no_95_percent_interval():
    assert stats.median_interval(range(5)) is None
    assert stats.median_interval(range(6)) == (0, 5)


def test_the_median_interval_covers_the_true_median_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(2_000):
        low, high = stats.median_interval(rng.exponential(size=101))
        hits += low <= np.log(2) <= high
    assert 0.94 <= hits / 2_000 <= 0.99


def test_both_ways_to_the_median_interval_agree_where_they_meet():
    below, above = stats.median_interval(range(1_000)), stats.median_interval(range(1_001))
    assert above[0] == pytest.approx(below[0], abs=1)
    assert above[1] == pytest.approx(below[1], abs=2)


def test_the_interval_over_processes_needs_three_of_them():
    assert stats.median_of_processes_interval([1.0, 2.0]) is None
    low, high = stats.median_of_processes_interval([1.0, 2.0, 3.0])
    assert low < 2.0 < high


@pytest.mark.parametrize("processes", [3, 5, 10])
def test_the_interval_over_processes_holds_the_truth_as_often_as_it_says(processes: int):
    """Of a machine whose sessions differ by what is said of sessions."""
    rng = np.random.default_rng(0)
    session = rng.lognormal(0.0, stats.SESSION_SPREAD, (2_000, 1))
    drawn = session * rng.lognormal(0.0, 0.02, (2_000, processes))
    intervals = [stats.median_of_processes_interval(medians) for medians in drawn]
    held = np.mean([low <= 1.0 <= high for low, high in intervals])
    assert 0.935 <= held <= 0.97


@pytest.mark.parametrize(
    ("confidence", "degrees", "quantile"),
    [
        (0.95, 1, 12.7062),
        (0.95, 2, 4.3027),
        (0.95, 5, 2.5706),
        (0.99, 4, 4.6041),
        (0.95, 500, 1.9647),
    ],
)
def test_the_t_quantiles_are_those_of_the_textbook(confidence, degrees, quantile):
    assert stats.student_t(confidence, degrees) == pytest.approx(quantile, rel=1e-3)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(199, 1.971957), (201, 1.971837), (400, 1.965912), (1_000, 1.962339)]
)
def test_the_t_quantile_has_no_step_where_a_formula_takes_over(degrees: int, quantile: float):
    assert stats.student_t(0.95, degrees) == pytest.approx(quantile, abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "n", "interval"),
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (81, 263, (0.2553, 0.3662))],
)
def test_the_wilson_interval_is_that_of_newcombe_1998(successes: int, n: int, interval: tuple):
    assert stats.wilson_interval(successes, n) == pytest.approx(interval, abs=1e-4)


def test_no_observations_have_no_wilson_interval():
    assert stats.wilson_interval(0, 0) is None


def test_outliers_are_counted_and_kept():
    samples = np.r_[np.tile([98, 99, 100, 101, 102], 40), 5_000] * 1_000_000
    summary = stats.summarize_latency([samples])
    assert summary.outliers == 1
    assert summary.max == 5_000


def test_the_headline_is_the_median_of_process_medians():
    """One slow process of three must not decide, however many samples it has."""
    fast, slow = np.full(100, 1_000_000), np.full(1_000, 9_000_000)
    summary = stats.summarize_latency([fast, fast, slow])
    assert summary.p50 == 1.0
    assert summary.count == 1_200


def test_no_samples_have_no_summary():
    assert stats.summarize_latency([]) is None
    assert stats.summarize_latency([np.empty(0, np.int64)]) is None


@given(hnp.arrays(np.int64, st.integers(1, 300), elements=st.integers(1, 10**12)))
def test_a_summary_is_ordered(samples: np.ndarray):
    summary = stats.summarize_latency([samples])
    ladder = [summary.min, summary.p50, summary.p90, summary.p95, summary.p99, summary.max]
    claimed = [value for value in ladder if value is not None]
    assert claimed == sorted(claimed)
    if summary.ci95:
        assert summary.ci95[0] <= summary.p50 <= summary.ci95[1]


def test_mcnemar_is_the_exact_binomial_test():
    """scipy.stats.binomtest(5, 20, 0.5).pvalue is the independent implementation."""
    from scipy.stats import binomtest

    assert stats.mcnemar_p(5, 15) == pytest.approx(binomtest(5, 20, 0.5).pvalue)
    assert stats.mcnemar_p(0, 0) == 1.0
    assert stats.mcnemar_p(7, 7) == 1.0


def test_two_well_separated_latencies_are_two_modes():
    rng = np.random.default_rng(0)
    mixed = rng.permutation(np.r_[rng.normal(100, 2, 300), rng.normal(150, 3, 100)])
    modes = stats.two_modes(mixed)
    assert modes.low == pytest.approx(100, rel=0.01)
    assert modes.high == pytest.approx(150, rel=0.01)
    assert modes.share_high == pytest.approx(0.25)


@pytest.mark.parametrize("shape", ["normal", "lognormal", "uniform", "exponential", "outliers"])
def test_one_mode_is_not_two(shape: str):
    rng = np.random.default_rng(0)
    samples = {
        "normal": rng.normal(100, 10, 1_000),
        "lognormal": rng.lognormal(4, 0.5, 1_000),
        "uniform": rng.uniform(50, 150, 1_000),
        "exponential": rng.exponential(100, 1_000),
        "outliers": np.r_[rng.normal(100, 2, 950), rng.normal(500, 20, 50)],
    }[shape]
    assert stats.two_modes(samples) is None


def test_a_slope_is_drift_and_noise_is_not():
    rng = np.random.default_rng(0)
    noise = rng.normal(100, 5, 900)
    assert stats.drift(noise) == 0.0
    assert stats.drift(noise + np.linspace(0, 30, 900)) == pytest.approx(0.19, abs=0.03)
    assert stats.drift(np.arange(5)) == 0.0


def test_a_trend_is_steady_and_taking_turns_is_not():
    ramp = np.random.default_rng(0).normal(100, 5, 900) + np.linspace(0, 300, 900)
    turns = np.where(np.arange(900) // 40 % 2, 200.0, 100.0)
    assert stats.trend(ramp) > 0.95
    assert stats.trend(ramp[::-1]) < -0.95
    assert abs(stats.trend(turns)) < 0.9
    assert abs(stats.trend(np.repeat([100.0, 200.0], 450))) < 0.9
    assert stats.trend(np.full(900, 7.0)) == 0.0
    assert stats.trend(np.arange(100)) == 0.0
