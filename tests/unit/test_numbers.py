from __future__ import annotations

import pytest

from edgecnn import numbers
from edgecnn.statistics.interval import Interval


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.08523, "0.0852"),
        (8.523, "8.52"),
        (852.3, "852"),
        (12345.6, "12,346"),
        (0, "0"),
        (None, "–"),
    ],
)
def test_numbers_have_three_significant_digits(value, expected):
    assert numbers.number(value) == expected


def test_an_interval_shows_one_digit_more_than_its_number():
    assert numbers.interval(Interval(8.523, 8.4712, 8.6034)) == "[8.471, 8.603]"
    assert numbers.interval(Interval(1, None, 1)) == ""


@pytest.mark.parametrize(
    ("count", "expected"),
    [(987, "987 B"), (71_400, "71.4 kB"), (3_460_000, "3.46 MB"), (2.5e9, "2.50 GB"), (None, "–")],
)
def test_sizes_are_decimal(count, expected):
    assert numbers.size(count) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(-0.563, "−0.56"), (0.2, "+0.20"), (1e-9, "±0.00")]
)
def test_points_carry_their_sign(value, expected):
    assert numbers.points(value) == expected


def test_aligned_numbers_have_their_points_below_each_other():
    texts = numbers.aligned([21.0, 0.0594, 852, None])
    assert len({len(text) - text.find(".") for text in texts if "." in text}) == 1
    assert [text.strip() for text in texts] == ["21.0", "0.0594", "852", "–"]
