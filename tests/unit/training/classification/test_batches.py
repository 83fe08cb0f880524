"""Training batches are a function of seed, epoch and position, from memory or not."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edgecnn.data.base import Split
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.system.opencv_threads import opencv_in_one_thread
from edgecnn.training.augmentation import augmentation_for
from edgecnn.training.classification import batches as batches_module
from edgecnn.training.classification.batches import Tensors, plain_batches, training_batches
from edgecnn.training.prefetch import prefetched

PREPROCESSING = ImagePreprocessing(8, 8, 1)
SHIFT = augmentation_for("image", "light")


@pytest.fixture(scope="module")
def split():
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8), np.uint8)
    return Split(images, np.arange(50))


def epoch_of(batches):
    """All batches of one epoch, as Keras asks for them."""
    received = [batches[index] for index in range(len(batches))]
    if hasattr(batches, "next_epoch"):
        batches.next_epoch()
    tensors, labels = zip(*received, strict=True)
    return np.concatenate(tensors), np.concatenate(labels)


def test_streaming_gives_the_same_tensors_as_memory(split):
    kept = Tensors(split, PREPROCESSING)
    streamed = Tensors(split, PREPROCESSING, max_bytes=0)
    chosen = np.asarray([7, 3, 3, 49])

    for one, other in zip(kept.take(chosen), streamed.take(chosen), strict=True):
        np.testing.assert_array_equal(one, other)


def test_data_that_does_not_fit_is_not_kept(split):
    read = []

    class Recording:
        def __getitem__(self, index):
            read.append(index)
            return split.samples[index]

    tensors = Tensors(Split(Recording(), split.labels), PREPROCESSING, max_bytes=100)
    assert read == []
    tensors.take(np.asarray([4, 2]))

    assert read == [4, 2]


@pytest.mark.parametrize(("worth", "several"), [(0.0, True), (60.0, False)])
def test_samples_that_take_long_are_read_by_several_threads_in_order(
    split, monkeypatch, worth, several
):
    monkeypatch.setattr(batches_module, "_WORTH_THREADS", worth)
    monkeypatch.setattr(batches_module, "_THREADS", 3)
    readers = []

    class Recording:
        def __getitem__(self, index):
            readers.append(threading.current_thread())
            return split.samples[index]

    chosen = np.asarray([7, 3, 3, 49, 20])
    tensors = Tensors(Split(Recording(), split.labels), PREPROCESSING, max_bytes=100)
    for _ in range(3):
        samples, labels = tensors.take(chosen)
        np.testing.assert_array_equal(labels, chosen)
        np.testing.assert_array_equal(samples, PREPROCESSING.batch(split.samples[chosen]))

    assert set(readers[:10]) == {threading.main_thread()}
    assert (threading.main_thread() not in readers[10:]) is several


def test_the_batches_that_fit_takes_are_those_of_the_epoch(split):
    batches = training_batches(Tensors(split, PREPROCESSING), 16, seed=0, augment=SHIFT, first=1)
    ahead = prefetched(batches)

    assert len(ahead) == len(batches) == 3
    for _ in range(2):
        for index, (tensors, labels) in enumerate(ahead):
            np.testing.assert_array_equal(tensors, batches[index][0])
            np.testing.assert_array_equal(labels, batches[index][1])
        batches.next_epoch()


def test_nothing_tunes_what_is_made_ahead(split):
    """Its thread would hold up the end of epochs."""
    tensors = Tensors(split, PREPROCESSING)

    options = prefetched(training_batches(tensors, 16, seed=0)).options()

    assert options.autotune.enabled is False


def test_an_epoch_has_every_sample_once(split):
    batches = training_batches(Tensors(split, PREPROCESSING), 16, seed=0, augment=SHIFT)

    for _ in range(2):
        assert sorted(epoch_of(batches)[1]) == list(range(50))


def test_epochs_differ_in_order_and_shift(split):
    batches = training_batches(Tensors(split, PREPROCESSING), 16, seed=0, augment=SHIFT)
    (first, first_labels), (second, second_labels) = epoch_of(batches), epoch_of(batches)

    assert not np.array_equal(first_labels, second_labels)
    assert not np.array_equal(first[np.argsort(first_labels)], second[np.argsort(second_labels)])


def test_the_same_seed_gives_the_same_epochs(split):
    first, second = (
        training_batches(Tensors(split, PREPROCESSING), 16, seed=4, augment=SHIFT) for _ in range(2)
    )

    for _ in range(3):
        for one, other in zip(epoch_of(first), epoch_of(second), strict=True):
            np.testing.assert_array_equal(one, other)


def test_asking_for_a_batch_twice_changes_nothing(split):
    batches = training_batches(Tensors(split, PREPROCESSING), 16, seed=4, augment=SHIFT)

    np.testing.assert_array_equal(batches[1][0], batches[1][0])


def test_plain_batches_keep_order_and_pixels(split):
    tensors, labels = epoch_of(plain_batches(Tensors(split, PREPROCESSING), 16))

    np.testing.assert_array_equal(labels, split.labels)
    np.testing.assert_array_equal(tensors, PREPROCESSING.batch(split.samples))


def test_opencv_has_its_threads_back_after_training():
    cv2 = pytest.importorskip("cv2")
    before = cv2.getNumThreads()

    with opencv_in_one_thread():
        assert cv2.getNumThreads() == 1

    assert cv2.getNumThreads() == before
