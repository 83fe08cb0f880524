"""What is asked for: units, bounds, and how many samples a budget takes."""

from __future__ import annotations

import pytest

from edgecnn.errors import InputError
from edgecnn.optimization.goal import Goal, parse_latency, parse_points, parse_size
from edgecnn.statistics.proportions import paired_difference


@pytest.mark.parametrize(
    ("text", "ms"), [("10ms", 10), ("10", 10), ("0.5 s", 500), ("250us", 0.25), (".5ms", 0.5)]
)
def test_times_are_read_with_their_unit(text: str, ms: float):
    assert parse_latency(text) == pytest.approx(ms)


@pytest.mark.parametrize(
    ("text", "count"), [("2MB", 2e6), ("50 mb", 5e7), ("200kB", 2e5), ("1MiB", 1 << 20), ("9", 9)]
)
def test_sizes_are_read_with_their_unit(text: str, count: float):
    assert parse_size(text, "--max-size") == pytest.approx(count)


@pytest.mark.parametrize("text", ["", "fast", "-1", "0", "10 parsecs", "1e999", "nan", "1,5"])
def test_what_is_no_amount_is_refused_with_what_came(text: str):
    for parse in (parse_latency, lambda given: parse_size(given, "--max-size"), parse_points):
        with pytest.raises(InputError, match="takes"):
            parse(text)


@pytest.mark.parametrize("points", [0, -1, 101])
def test_a_budget_that_no_samples_can_show_is_refused(points: float):
    with pytest.raises(InputError, match="max-drop"):
        Goal(max_drop=points)


@pytest.mark.parametrize("points", [0.1, 0.3, 0.5, 1, 5])
def test_the_fewest_samples_show_the_budget_when_nothing_changes(points: float):
    n = Goal(max_drop=points).fewest_samples
    assert 100 * paired_difference(0, 0, n, 0.9)[1] <= points
    assert 100 * paired_difference(0, 0, 0.9 * n, 0.9)[1] > points
