"""What every data source promises, asked of each that is registered."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

import edgecnn.data
from edgecnn.data.base import SPLITS
from edgecnn.errors import InputError
from edgecnn.registry import DATA_SOURCES


def write_mnist_like(folder, *, seed=0):
    rng = np.random.default_rng(seed)
    for part, count in (("train", 120), ("t10k", 40)):
        pictures = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        header = struct.pack(">4I", 0x803, *pictures.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + pictures.tobytes())
        header = struct.pack(">2I", 0x801, count)
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(header + labels.tobytes())


def write_pictures(folder, *, seed=0):
    rng = np.random.default_rng(seed)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for index in range(10):
            pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


WRITERS = {
    "digits": lambda folder, seed=0: None,
    "mnist": write_mnist_like,
    "folder": write_pictures,
}


@pytest.fixture(params=DATA_SOURCES.names())
def source(request, tmp_path):
    """A registered source with small files of its own kind: load(seed=…) → Dataset."""
    WRITERS[request.param](tmp_path)
    return lambda seed=0: edgecnn.data.load(request.param, data_dir=tmp_path, seed=seed)


def identities(split):
    return {
        (np.asarray(sample).tobytes(), int(label))
        for sample, label in zip(split.samples, split.labels, strict=True)
    }


def test_has_the_three_splits(source):
    dataset = source()

    assert set(dataset.splits) == set(SPLITS)
    assert all(len(split) == len(split.samples) > 0 for split in dataset.splits.values())


def test_samples_are_unsigned_bytes(source):
    for split in source().splits.values():
        assert split.samples[0].dtype == np.uint8
        assert split.samples[len(split) - 1].ndim in (2, 3)


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


def test_another_seed_gives_another_validation_split_and_hash(source):
    first, second = source(1), source(2)

    assert first.sha256 != second.sha256
    assert identities(first["validation"]) != identities(second["validation"])


def test_splits_hold_different_samples(source):
    dataset = source()
    train, validation, test = (identities(dataset[name]) for name in SPLITS)
    repeated = 3  # the digits contain a few identical drawings

    assert len(train & validation) <= repeated
    assert len(train & test) <= repeated
    assert len(validation & test) <= repeated


def test_preprocessing_gives_what_a_network_wants(source):
    dataset = source()
    preprocessing = dataset.preprocessing((32, 32, 1))

    tensors, labels = next(dataset["train"].tensors(preprocessing, 4))

    assert tensors.shape == (4, 32, 32, 1)
    assert tensors.dtype == np.float32
    assert np.abs(tensors).max() < 10
    assert labels.shape == (4,)


def test_the_record_names_content_and_sizes(source):
    dataset = source()
    record = dataset.record()

    assert record["sha256"] == dataset.sha256
    assert record["samples"]["test"] == len(dataset["test"])


@pytest.mark.parametrize("name", ["mnist", "folder"])
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


def test_a_bare_path_to_a_folder_means_a_picture_folder(tmp_path):
    write_pictures(tmp_path)

    assert edgecnn.data.load(str(tmp_path)).labels == ("cat", "dog")


def test_a_location_after_the_colon_is_where_it_looks(tmp_path):
    write_pictures(tmp_path)

    assert edgecnn.data.load(f"folder:{tmp_path}").labels == ("cat", "dog")


def test_a_split_that_is_not_there_is_named(source):
    with pytest.raises(InputError, match="no split 'holdout'"):
        source()["holdout"]
