"""Which split of a data set is its test split: that rule for data and for records of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

TEST_SPLITS = ("test", "validation", "train")
"""The first of these that a data set has is its test split."""


def scored_split(names: Collection[str]) -> str:
    """The test split among the splits of a data set; "test" where none of them can be it."""
    return next((name for name in TEST_SPLITS if name in names), "test")


def scored_samples(record: Mapping[str, Any]) -> Any:
    """How many samples the test split has by what results note of their data; None where they do
    not.
    """
    samples = record.get("samples")
    return samples.get(scored_split(samples)) if isinstance(samples, Mapping) else None
