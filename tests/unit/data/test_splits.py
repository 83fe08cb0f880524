"""Splits are fixed by seed, disjoint, complete, and hold every class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data.splits import (
    grouped_split,
    missing_splits,
    stratified_split,
    whole_groups_split,
)
from edgecnn.errors import InputError

FRACTIONS = {"train": 0.7, "validation": 0.1, "test": 0.2}
NAMES = tuple("abcdefgh")

label_arrays = st.lists(st.integers(3, 40), min_size=1, max_size=8).map(
    lambda counts: np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
)


@settings(deadline=None)  # other work on the machine is not a failure
@given(label_arrays, st.integers(0, 2**32 - 1))
def test_every_sample_is_in_exactly_one_split(labels, seed):
    indices = stratified_split(labels, FRACTIONS, NAMES, seed=seed)

    together = np.concatenate(list(indices.values()))
    np.testing.assert_array_equal(np.sort(together), np.arange(len(labels)))


@settings(deadline=None)  # other work on the machine is not a failure
@given(label_arrays, st.integers(0, 2**32 - 1))
def test_every_split_has_every_class(labels, seed):
    for chosen in stratified_split(labels, FRACTIONS, NAMES, seed=seed).values():
        assert set(labels[chosen]) == set(labels)


@settings(deadline=None)  # other work on the machine is not a failure
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


def test_groups_stay_together_and_every_class_is_everywhere():
    labels = np.repeat([0, 1, 2], 40)
    groups = np.arange(120) // 5

    parts = grouped_split(labels, groups, FRACTIONS, "abc", seed=3)
    of = {name: set(groups[chosen]) for name, chosen in parts.items()}

    assert sorted(np.concatenate(list(parts.values()))) == list(range(120))
    assert sum(len(part) for part in of.values()) == 24
    assert all(set(labels[chosen]) == {0, 1, 2} for chosen in parts.values())
    assert len(parts["validation"]) == pytest.approx(0.1 * 120, abs=6)


def test_a_large_group_never_empties_training():
    labels = np.zeros(100, int)
    groups = np.asarray([0] * 90 + [1] * 5 + [2] * 5)

    parts = grouped_split(labels, groups, FRACTIONS, "a", seed=0)

    assert {name: len(part) for name, part in parts.items()} == {
        "train": 90,
        "validation": 5,
        "test": 5,
    }


def test_whole_groups_are_split_whatever_their_classes():
    speakers = ["ann", "bob", "eve", "joe"] * 10

    parts = whole_groups_split(speakers, FRACTIONS, seed=0)
    of = [{speakers[index] for index in chosen} for chosen in parts.values()]

    assert [len(names) for names in of] == [2, 1, 1]
    assert len(set.union(*of)) == 4


def test_only_absent_splits_are_carved():
    labels = np.arange(100) % 2

    assert set(missing_splits(labels, {"train", "test"}, "ab", seed=0)) == {"train", "validation"}
    alone = missing_splits(labels, {"train", "validation", "test"}, "ab", seed=0)
    assert alone["train"].tolist() == list(range(100))
