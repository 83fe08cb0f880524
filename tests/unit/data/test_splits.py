"""Splits are fixed by seed, disjoint, complete, and hold every class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data.splits import stratified_split
from edgecnn.errors import InputError

FRACTIONS = {"train": 0.7, "validation": 0.1, "test": 0.2}
NAMES = tuple("abcdefgh")

label_arrays = st.lists(st.integers(3, 40), min_size=1, max_size=8).map(
    lambda counts: np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
)


@settings(deadline=None)  # other work on the machine is no failure
@given(label_arrays, st.integers(0, 2**32 - 1))
def test_every_sample_is_in_exactly_one_split(labels, seed):
    indices = stratified_split(labels, FRACTIONS, NAMES, seed=seed)

    together = np.concatenate(list(indices.values()))
    np.testing.assert_array_equal(np.sort(together), np.arange(len(labels)))


@settings(deadline=None)  # other work on the machine is no failure
@given(label_arrays, st.integers(0, 2**32 - 1))
def test_every_split_has_every_class(labels, seed):
    for chosen in stratified_split(labels, FRACTIONS, NAMES, seed=seed).values():
        assert set(labels[chosen]) == set(labels)


@settings(deadline=None)  # other work on the machine is no failure
@given(label_arrays)
def test_the_same_seed_gives_the_same_splits(labels):
    first, second = (stratified_split(labels, FRACTIONS, NAMES, seed=5) for _ in range(2))

    for name in FRACTIONS:
        np.testing.assert_array_equal(first[name], second[name])


def test_another_seed_gives_other_splits():
    labels = np.repeat(np.arange(3), 50)
    first, second = (stratified_split(labels, FRACTIONS, NAMES, seed=seed) for seed in (1, 2))

    assert not np.array_equal(first["test"], second["test"])


def test_shares_are_kept_within_each_class():
    labels = np.repeat(np.arange(2), [100, 1000])

    test = stratified_split(labels, FRACTIONS, NAMES, seed=0)["test"]

    np.testing.assert_array_equal(np.bincount(labels[test]), [20, 200])


def test_a_class_with_too_few_samples_is_named():
    with pytest.raises(InputError, match=r"class 'b' has 2 sample\(s\), expected at least 3"):
        stratified_split(np.asarray([0, 0, 0, 1, 1]), FRACTIONS, NAMES, seed=0)
