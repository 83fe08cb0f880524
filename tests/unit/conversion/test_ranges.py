"""Which range integers cover: all values, all but the rarest, or those with the least error."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.conversion.quantizers.ranges import by_error, by_percentile, chosen, histograms


def seen(*batches: np.ndarray):
    bounds = {
        "x": (
            float(min(each.min() for each in batches)),
            float(max(each.max() for each in batches)),
        )
    }
    return bounds, histograms([{"x": each} for each in batches], bounds)


def error_of(values: np.ndarray, low: float, high: float, levels: int = 256) -> float:
    step = (high - low) / (levels - 1)
    zero = np.rint(-low / step)
    kept = (np.clip(np.rint(values / step) + zero, 0, levels - 1) - zero) * step
    return float(((kept - values) ** 2).mean())


NORMAL = np.random.default_rng(0).normal(size=40_000)
OUTLIER = np.append(NORMAL, 500.0)


def test_a_percentile_leaves_the_rarest_values_out():
    _, found = seen(OUTLIER)
    low, high = by_percentile(found["x"], 99.99)
    assert high < 10
    assert low == pytest.approx(NORMAL.min(), abs=0.5)


def test_the_range_with_the_least_error_clips_an_outlier_that_ruins_the_rest():
    bounds, found = seen(OUTLIER)
    low, high = bounds["x"]
    clipped = error_of(OUTLIER, *by_error(found["x"], 256))
    best = min(error_of(OUTLIER, low, end) for end in np.linspace(5, 500, 200))
    # The outlier alone costs (500 - high)² / n when it is clipped; the rest gains more.
    assert clipped < error_of(OUTLIER, low, high)
    assert clipped <= 1.02 * best


def test_values_that_are_spread_evenly_are_not_clipped():
    _, found = seen(np.linspace(-1, 1, 10_000))
    assert by_error(found["x"], 256) == pytest.approx((-1, 1), abs=0.05)


def test_sixteen_bits_clip_less_than_eight():
    heavy = np.random.default_rng(1).standard_t(3, 50_000)
    _, found = seen(heavy)
    narrow, wide = by_error(found["x"], 256), by_error(found["x"], 65_536)
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


def test_samples_one_after_the_other_count_like_all_at_once():
    _, at_once = seen(OUTLIER)
    bounds, parts = seen(OUTLIER)
    parts = histograms([{"x": OUTLIER[:7_000]}, {"x": OUTLIER[7_000:]}], bounds)
    assert np.array_equal(at_once["x"].counts, parts["x"].counts)


@pytest.mark.parametrize("method", ["min_max", "percentile", "mse"])
def test_a_tensor_that_never_changes_keeps_its_ends(method: str):
    bounds, found = seen(np.zeros(100))
    assert chosen(method, bounds, found, "int8") == bounds


def test_zero_stays_inside_of_a_range_that_held_it():
    _, found = seen(np.append(np.full(100_000, 3.0), [0.0, 4.0]))
    low, _ = by_percentile(found["x"])
    assert low <= 0
