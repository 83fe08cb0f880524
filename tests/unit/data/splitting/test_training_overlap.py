"""A split belongs to the network that was trained on it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgecnn import data
from edgecnn.data.base import Dataset, Split
from edgecnn.data.splitting import training_overlap as seen
from edgecnn.data.splitting.training_overlap import (
    KEY,
    TrainingOverlap,
    digests_of,
    overlap_mask,
    split_seed,
    training_overlap,
    training_record,
    without_sample_digests,
)
from edgecnn.manifest import Manifest


def trained_on(dataset: Dataset) -> Manifest:
    """The manifest of a network trained on these data, as JSON gives it back."""
    record = {**dataset.record(), KEY: training_record(dataset)}
    return Manifest.from_dict(json.loads(json.dumps(Manifest(data=record).to_dict())))


def test_the_split_of_the_training_holds_no_training_sample(digits):
    found = training_overlap(trained_on(digits), digits)
    assert found is not None
    assert (found.count, found.of) == (0, len(digits["test"]))


def with_twins(dataset: Dataset, split: str, count: int) -> Dataset:
    """The first of a split's samples are training samples, as where two splits overlap."""
    samples = np.asarray(dataset[split].samples).copy()
    samples[:count] = np.asarray(dataset["train"].samples)[:count]
    overlapping = Split(samples, dataset[split].labels)
    return replace(dataset, splits={**dataset.splits, split: overlapping})


@pytest.mark.parametrize("split", ["validation", "test"])
def test_training_samples_are_found_in_the_other_splits_of_the_same_data(digits, split):
    data = with_twins(digits, split, 70)
    manifest = trained_on(data)

    found = training_overlap(manifest, data, split)
    known = overlap_mask(manifest, data, split)

    assert found is not None
    assert (found.count, found.exact) == (70, True)
    assert known is not None
    assert np.flatnonzero(known).tolist() == list(range(70))


def test_a_few_copies_are_those_of_the_data_set(digits):
    data = with_twins(digits, "test", 7)
    manifest = trained_on(data)

    assert training_overlap(manifest, data) == TrainingOverlap(0, len(data["test"]))
    assert np.flatnonzero(overlap_mask(manifest, data, "test")).tolist() == list(range(7))
    elsewhere = replace(data, sha256="0" * 64)  # other data, of which training saw seven
    assert training_overlap(manifest, elsewhere) == TrainingOverlap(7, len(data["test"]))


def test_what_the_split_of_the_training_holds_is_not_known_without_its_digests(digits):
    assert training_overlap(Manifest(data=digits.record()), digits) is None
    assert overlap_mask(Manifest(data=digits.record()), digits, "test") is None


def test_another_split_of_the_same_data_is_counted_exactly(digits):
    other = data.load("digits", seed=3)
    found = training_overlap(trained_on(other), digits)
    trained = {sample.tobytes() for sample in np.asarray(other["train"].samples)}
    expected = sum(sample.tobytes() in trained for sample in np.asarray(digits["test"].samples))
    assert found is not None
    assert (found.count, found.exact) == (expected, True)
    assert expected > len(digits["test"]) / 2
    assert (
        f"{expected} of {len(digits['test'])} samples were in the training data" in found.sentence
    )


def test_new_data_have_nothing_in_common_with_the_training(digits):
    def brighter(split: Split) -> Split:
        return Split(np.asarray(split.samples) ^ 1, split.labels)

    new = replace(
        digits,
        splits={name: brighter(split) for name, split in digits.splits.items()},
        sha256="0" * 64,
    )
    found = training_overlap(trained_on(digits), new)
    assert found is not None
    assert found.count == 0


def test_of_large_training_sets_some_digests_are_kept_and_the_count_is_an_estimate(
    digits, monkeypatch
):
    monkeypatch.setattr(seen, "MOST_KEPT", 200)
    other = data.load("digits", seed=3)
    exact = training_overlap(trained_on(other), digits)
    manifest = trained_on(other)
    assert manifest.data[KEY]["one_in"] > 1
    found = training_overlap(manifest, digits)
    assert found is not None
    assert not found.exact
    assert exact is not None
    assert abs(found.count - exact.count) < 0.25 * found.of
    assert "about" in found.sentence


@pytest.mark.parametrize(
    "record",
    [{}, {"sha256": "1" * 64}, {"sha256": "1" * 64, KEY: {"digests": "?", "one_in": 1}},
     {"sha256": "1" * 64, KEY: {"digests": "AAAA", "one_in": 1}}, {"sha256": "1" * 64, KEY: 3}],
)  # fmt: skip
def test_what_an_old_or_a_damaged_manifest_cannot_say_is_not_known(record, digits):
    assert training_overlap(Manifest(data=record), digits) is None


def test_which_samples_were_seen_is_known_one_by_one(digits):
    other = data.load("digits", seed=3)
    known = overlap_mask(trained_on(other), digits, "train")
    assert known is not None
    trained = set(digests_of(other["train"]).tolist())
    expected = [digest in trained for digest in digests_of(digits["train"]).tolist()]
    assert known.tolist() == expected
    assert overlap_mask(trained_on(digits), digits, "train") is None


def test_the_seed_of_the_split_comes_from_the_first_model_that_has_one():
    foreign, first = Manifest(), Manifest(data={"seed": 3, "sha256": "1"})
    second = Manifest(data={"seed": 5, "sha256": "2"})
    assert split_seed([foreign, first, second]) == 3
    assert split_seed([foreign]) == 0


def test_texts_have_digests_too():
    split = Split(("one", "two", "one"), np.array([0, 1, 0]))
    first, second, third = digests_of(split).tolist()
    assert first == third != second


def test_a_model_file_does_not_carry_the_digests(digits):
    manifest = without_sample_digests(trained_on(digits))
    assert KEY not in manifest.data
    assert manifest.data["sha256"] == digits.sha256


def test_what_the_starting_weights_had_seen_stays_seen(digits):
    """A model that is trained further on other data has still seen the first."""
    other = replace(
        digits,
        splits={
            name: Split(255 - split.samples, split.labels) for name, split in digits.splits.items()
        },
        sha256="1" * 64,
    )
    first = trained_on(digits)
    record = {**other.record(), KEY: training_record(other, before=first.data)}
    further = Manifest(data=record)

    seen_again = replace(digits, splits={"test": digits["train"]}, sha256="2" * 64)
    found = training_overlap(further, seen_again)
    assert found is not None
    assert found.count == len(digits["train"])
    assert record[KEY]["samples"] == len(digits["train"]) + len(other["train"])


def test_after_weights_of_unknown_origin_nothing_is_known(digits):
    record = {**digits.record(), KEY: training_record(digits, before={"sha256": "0" * 64})}
    assert training_overlap(Manifest(data=record), digits) is None


def test_digests_that_were_thinned_out_before_stay_comparable(digits, monkeypatch):
    monkeypatch.setattr(seen, "MOST_KEPT", 60)
    first = trained_on(digits)
    assert first.data[KEY]["one_in"] > 1
    other = replace(digits, splits={"train": digits["test"]}, sha256="1" * 64)
    record = {**other.record(), KEY: training_record(other, before=first.data)}
    found = training_overlap(
        Manifest(data=record), replace(digits, splits={"test": digits["train"]}, sha256="2" * 64)
    )
    assert found is not None
    assert not found.exact
    assert found.count == len(digits["train"])
