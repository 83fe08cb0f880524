"""Which split is the test split, for data and for records of them."""

from __future__ import annotations

import pytest

from edgecnn.results.scored_split import scored_samples, scored_split


@pytest.mark.parametrize(
    ("splits", "scored"),
    [
        ({"train": 3, "validation": 2, "test": 1}, "test"),
        ({"train": 3, "validation": 2}, "validation"),
        ({"train": 3}, "train"),
    ],
)
def test_the_test_split_is_the_first_that_can_be_it(splits, scored):
    assert scored_split(splits) == scored
    assert scored_samples({"samples": splits}) == splits[scored]


@pytest.mark.parametrize("record", [{}, {"samples": None}, {"samples": {}}])
def test_samples_that_nobody_noted_are_not_known(record):
    assert scored_samples(record) is None
