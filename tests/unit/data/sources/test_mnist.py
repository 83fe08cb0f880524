"""MNIST from its four files: what fits is read, what does not is refused."""

from __future__ import annotations

import gzip
import hashlib
import shutil

import numpy as np
import pytest

import edgecnn.data
from edgecnn.data.files.idx import read_idx
from edgecnn.data.files.places import cache_folder
from edgecnn.data.sources import mnist
from edgecnn.errors import InputError

UNCOMPRESSED_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@pytest.fixture
def folder(shared_data):
    folder = shared_data / "mnist"
    if not folder.is_dir():
        pytest.skip("no MNIST beside the project (../shared/data/mnist)")
    return folder


@pytest.fixture
def small(tmp_path):
    """The four files with 30 and 10 random images."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 10)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (count, 28, 28)))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.arange(count) % 10)
    return tmp_path


def write_idx(path, values):
    header = bytes((0, 0, 8, values.ndim)) + np.asarray(values.shape, ">u4").tobytes()
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def test_the_real_files_have_60000_and_10000_images(folder):
    dataset = edgecnn.data.load("mnist", data_dir=folder)

    assert len(dataset["train"]) + len(dataset["validation"]) == 60_000
    assert len(dataset["test"]) == 10_000
    assert dataset.sample_shape == (28, 28)


def test_the_hints_are_the_statistics_of_the_real_pixels(folder):
    # An odd stride: even and odd images come from two groups of writers.
    pixels = read_idx(folder / "train-images-idx3-ubyte.gz", 3)[::7] / 255

    assert pixels.mean() == pytest.approx(0.1307, abs=0.001)
    assert pixels.std() == pytest.approx(0.3081, abs=0.001)


def test_the_real_files_are_the_published_ones(folder):
    for name, digest in UNCOMPRESSED_SHA256.items():
        with gzip.open(folder / f"{name}.gz") as file:
            assert hashlib.sha256(file.read()).hexdigest() == digest


def test_the_test_split_does_not_depend_on_the_seed(small):
    first, second = (edgecnn.data.load("mnist", data_dir=small, seed=seed) for seed in (1, 2))

    np.testing.assert_array_equal(first["test"].samples, second["test"].samples)


def test_digits_are_centered_in_the_field_of_lenet(small):
    dataset = edgecnn.data.load("mnist", data_dir=small)
    tensor = dataset.preprocessing((32, 32, 1))(np.full((28, 28), 255, np.uint8))[:, :, 0]

    assert (tensor[2:-2, 2:-2] > 0).all()
    border = np.ones((32, 32), bool)
    border[2:-2, 2:-2] = False
    assert (tensor[border] < 0).all()


@pytest.mark.parametrize("name", mnist.FILES)
def test_a_missing_file_is_named(small, name):
    (small / name).unlink()

    with pytest.raises(InputError, match=f"neither {name} nor {name}.gz"):
        edgecnn.data.load("mnist", data_dir=small)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        edgecnn.data.load("mnist", data_dir=tmp_path / "absent")


def test_labels_that_do_not_match_the_images_are_refused(small):
    shutil.copy(small / "t10k-labels-idx1-ubyte", small / "train-labels-idx1-ubyte")

    with pytest.raises(InputError, match=r"30 images, .* 10 labels"):
        edgecnn.data.load("mnist", data_dir=small)


def test_a_label_beyond_nine_is_refused(small):
    write_idx(small / "t10k-labels-idx1-ubyte", np.full(10, 10))

    with pytest.raises(InputError, match="expected labels 0 to 9, received: 10"):
        edgecnn.data.load("mnist", data_dir=small)


def test_images_of_two_sizes_are_refused(small):
    write_idx(small / "t10k-images-idx3-ubyte", np.zeros((10, 14, 14)))

    with pytest.raises(InputError, match="do not belong together"):
        edgecnn.data.load("mnist", data_dir=small)


def test_downloads_go_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))

    assert cache_folder("mnist") == tmp_path / "data" / "mnist"


def test_downloads_go_to_the_cache_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGECNN_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert cache_folder("mnist") == tmp_path / ".cache" / "edgecnn" / "data" / "mnist"
