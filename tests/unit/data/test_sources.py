"""What every data source promises, asked of each that is registered."""

from __future__ import annotations

import numpy as np
import pytest

import edgecnn.data
from edgecnn.data.base import SPLITS
from edgecnn.errors import InputError
from edgecnn.registry import DATA_SOURCES
from tests.unit.data.small_sources import WRITERS, write_images

DETECTION = ("coco", "voc", "yolo")
"""Boxes instead of classes: what these promise stands in test_boxed.py."""
TRANSLATION = ("pairs",)
"""Sentences instead of classes: what it promises stands in test_pairs.py."""
SENT = ("sent",)
"""Of a set that was sent only one split has its samples: see test_sent.py."""
TENSORS = ("npz",)
"""What a model's inputs take: what it promises stands in sources/test_named_tensors.py."""
OTHERS = (*DETECTION, *TRANSLATION, *SENT, *TENSORS)
CLASSIFICATION = [name for name in DATA_SOURCES.names() if name not in OTHERS]
SPLIT_BEFORE = ("packed",)
"""Their splits were fixed when the files were made: a seed changes nothing."""
SHAPES = {"image": (32, 32, 1), "text": (12,), "signal": (256, 1), "volume": (8, 8, 8, 1)}
RANKS = {"image": (2, 3), "signal": (1,), "volume": (3,)}


def reader(name, folder):
    """load(seed=…) → Dataset of a registered source with small files of its own kind."""
    WRITERS[name](folder)
    return lambda seed=0: edgecnn.data.load(name, data_dir=folder, seed=seed)


@pytest.fixture(params=CLASSIFICATION)
def source(request, tmp_path):
    return reader(request.param, tmp_path)


@pytest.fixture(params=[name for name in CLASSIFICATION if name not in SPLIT_BEFORE])
def source_that_splits(request, tmp_path):
    return reader(request.param, tmp_path)


def identities(split):
    return {
        (np.asarray(sample).tobytes(), int(label))
        for sample, label in zip(split.samples, split.labels, strict=True)
    }


def test_has_the_three_splits(source):
    dataset = source()

    assert set(dataset.splits) == set(SPLITS)
    assert all(len(split) == len(split.samples) > 0 for split in dataset.splits.values())


def test_samples_are_raw(source):
    dataset = source()

    for split in dataset.splits.values():
        for sample in (split.samples[0], split.samples[len(split) - 1]):
            if dataset.modality == "text":
                assert isinstance(sample, str)
                continue
            assert sample.ndim in RANKS[dataset.modality]
            if dataset.modality == "image":
                assert sample.dtype == np.uint8


def test_labels_are_indices_into_the_class_names(source):
    dataset = source()

    for split in dataset.splits.values():
        assert split.labels.dtype == np.int64
        assert set(split.labels) <= set(range(len(dataset.labels)))


def test_the_same_seed_gives_the_same_data(source):
    first, second = source(3), source(3)

    assert first.sha256 == second.sha256
    for name in SPLITS:
        np.testing.assert_array_equal(first[name].labels, second[name].labels)


def test_another_seed_gives_another_validation_split_and_hash(source_that_splits):
    first, second = source_that_splits(1), source_that_splits(2)

    assert first.sha256 != second.sha256
    assert identities(first["validation"]) != identities(second["validation"])


def test_splits_hold_different_samples(source):
    dataset = source()
    train, validation, test = (identities(dataset[name]) for name in SPLITS)

    assert not train & validation
    assert not train & test
    assert not validation & test


def test_preprocessing_gives_what_a_network_wants(source):
    dataset = source()
    preprocessing = dataset.preprocessing(SHAPES[dataset.modality])

    tensors, labels = next(dataset["train"].tensors(preprocessing, 4))

    assert tensors.shape == (4, *SHAPES[dataset.modality])
    assert tensors.dtype == preprocessing.dtype
    if dataset.modality != "text":
        assert np.abs(tensors).max() < 10
    assert labels.shape == (4,)


def test_a_preprocessing_of_another_rank_names_the_axes(source):
    with pytest.raises(InputError, match=r"needs an input \(.*received: \(1, 2, 3, 4, 5\)"):
        source().preprocessing((1, 2, 3, 4, 5))


def test_its_own_shape_is_one_it_takes(source):
    dataset = source()
    shape = dataset.sample_shape
    if len(shape) < len(SHAPES[dataset.modality]):
        shape = (*shape, 1)

    assert dataset.preprocessing(shape)(dataset["test"].samples[0]).shape == shape


def test_the_record_names_content_and_sizes(source):
    dataset = source()
    record = dataset.record()

    assert record["sha256"] == dataset.sha256
    assert record["samples"]["test"] == len(dataset["test"])


@pytest.mark.parametrize(
    "name", ["mnist", "folder", "text", "wav", "gtsrb", "spoken-digits", "packed"]
)
def test_other_content_gives_another_hash(name, tmp_path):
    hashes = set()
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        WRITERS[name](folder, seed=seed)
        hashes.add(edgecnn.data.load(name, data_dir=folder).sha256)

    assert len(hashes) == 2


def test_an_unknown_source_offers_the_nearest():
    with pytest.raises(InputError, match="unknown data source 'digit'") as caught:
        edgecnn.data.load("digit")

    assert "'digits'" in caught.value.hint


def test_a_folder_that_is_not_there_is_called_that():
    with pytest.raises(InputError, match="no such folder: some/where"):
        edgecnn.data.load("some/where")


def test_a_bare_path_to_a_folder_means_an_image_folder(tmp_path):
    write_images(tmp_path)

    assert edgecnn.data.load(str(tmp_path)).labels == ("cat", "dog")


def test_a_location_after_the_colon_is_where_it_looks(tmp_path):
    write_images(tmp_path)

    assert edgecnn.data.load(f"folder:{tmp_path}").labels == ("cat", "dog")


def test_a_split_that_is_not_there_is_named(source):
    with pytest.raises(InputError, match="no split 'holdout'"):
        source()["holdout"]
