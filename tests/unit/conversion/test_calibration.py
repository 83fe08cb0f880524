"""Samples for calibration and verification."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

from edgecnn.conversion.calibration import (
    RandomSamples,
    calibration_samples,
    verification_samples,
)
from edgecnn.data.base import Dataset, Split
from edgecnn.errors import InputError
from edgecnn.preprocessing import ImagePreprocessing

PREPARE = ImagePreprocessing(8, 8, 1)


def dataset(**sizes: int) -> Dataset:
    generator = np.random.default_rng(0)
    splits = {
        name: Split(
            generator.integers(0, 255, (size, 8, 8), np.uint8), np.arange(size, dtype=np.int64) % 2
        )
        for name, size in sizes.items()
    }
    return Dataset("noise", "classification", ("a", "b"), splits, "feed", (8, 8))


def test_the_same_seed_draws_the_same_samples():
    data = dataset(train=100)
    first, again, other = (
        calibration_samples(data, PREPARE, (8, 8, 1), count=10, seed=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(np.concatenate(list(first)), np.concatenate(list(again)))
    assert not np.array_equal(np.concatenate(list(first)), np.concatenate(list(other)))


def test_samples_can_be_iterated_again():
    samples = calibration_samples(dataset(train=20), PREPARE, (8, 8, 1), count=5)
    assert np.array_equal(list(samples), list(samples))


def test_no_sample_comes_twice():
    samples = calibration_samples(dataset(train=30), PREPARE, (8, 8, 1), count=30)
    assert len({sample.tobytes() for sample in samples}) == 30


def test_a_small_split_gives_what_it_has():
    samples = calibration_samples(dataset(train=7), PREPARE, (8, 8, 1), count=256)
    assert len(samples) == len(list(samples)) == 7


def test_labels_come_in_the_order_of_the_samples():
    data = dataset(test=40)
    samples = verification_samples(data, PREPARE, (8, 8, 1), count=9)
    by_content = {
        PREPARE(image).tobytes(): label
        for image, label in zip(data["test"].samples, data["test"].labels, strict=True)
    }
    assert [by_content[sample.tobytes()] for sample in samples] == samples.ground_truth


def test_calibration_never_sees_the_test_split():
    with pytest.raises(InputError, match="no samples to calibrate with"):
        calibration_samples(dataset(test=10), PREPARE, (8, 8, 1))
    data = dataset(train=5, test=5)
    assert calibration_samples(data, PREPARE, (8, 8, 1)).record()["split"] == "train"
    assert verification_samples(data, PREPARE, (8, 8, 1)).record()["split"] == "test"


def test_another_shape_is_an_error_that_names_both():
    with pytest.raises(InputError, match=r"\(8, 8, 1\).*\(32, 32, 3\)"):
        calibration_samples(dataset(train=5), PREPARE, (32, 32, 3))


def test_the_record_identifies_the_samples():
    samples = calibration_samples(dataset(train=50), PREPARE, (8, 8, 1), count=20, seed=3)
    assert samples.record() == {
        "data": "noise",
        "sha256": "feed",
        "split": "train",
        "n": 20,
        "seed": 3,
    }


def test_noise_stands_in_for_missing_data():
    samples = verification_samples(None, None, (4, 4, 3), count=6)
    assert isinstance(samples, RandomSamples)
    tensors = np.concatenate(list(samples))
    assert tensors.shape == (6, 4, 4, 3)
    assert tensors.dtype == np.float32
    assert np.array_equal(tensors, np.concatenate(list(samples)))


def test_noise_for_a_model_of_words_is_ids_it_knows():
    samples = verification_samples(None, None, (30,), count=6, vocabulary_size=4)
    ids = np.concatenate(list(samples))
    assert (ids.shape, ids.dtype) == ((6, 30), np.int32)
    assert set(np.unique(ids)) == {0, 1, 2, 3}
    assert samples.record()["data"] == "whole numbers 0…3"


def test_one_sample_is_alive_at_a_time():
    samples = calibration_samples(dataset(train=16), PREPARE, (8, 8, 1), count=16)
    alive: list[weakref.ref] = []
    most = 0
    gc.collect()
    gc.freeze()  # what other tests left behind need not be looked at sixteen times
    for sample in samples:
        alive.append(weakref.ref(sample))
        gc.collect()
        most = max(most, sum(reference() is not None for reference in alive))
    gc.unfreeze()
    assert most <= 2  # the one at hand, and the one before it until the name is rebound


def test_memory_does_not_grow_with_the_number_of_samples():
    class Lazy:
        """Images made when asked for, as a reader of files does."""

        def __len__(self) -> int:
            return 2000

        def __getitem__(self, index: int) -> np.ndarray:
            return np.full((64, 64, 3), index % 256, np.uint8)

    data = Dataset(
        "lazy",
        "classification",
        ("a",),
        {"train": Split(Lazy(), np.zeros(2000, np.int64))},
        "feed",
        (64, 64, 3),
    )
    prepare = ImagePreprocessing(64, 64, 3)

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in calibration_samples(data, prepare, (64, 64, 3), count=count):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # first use fills caches
    assert peak(2000) < peak(20) + 100_000  # 1,980 more samples of 49,152 bytes each
