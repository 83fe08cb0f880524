"""Samples that name the inputs of a model: one file, a folder of arrays, a file for each sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgecnn.data
from edgecnn.data.base import Dataset
from edgecnn.data.inspection.inspect import inspect
from edgecnn.data.splitting.calibration_holdout import hold_out_calibration
from edgecnn.errors import InputError

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 4, 4, 3), np.float32)
IDS = np.arange(12, dtype=np.int32).reshape(6, 2)


def load(place: Path) -> Dataset:
    return edgecnn.data.load(f"npz:{place}")


def written(folder: Path, **arrays: np.ndarray) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def refused(place: Path, match: str) -> InputError:
    with pytest.raises(InputError, match=match) as caught:
        load(place)
    return caught.value


def same(sample, index: int) -> bool:
    return np.array_equal(sample["image"], IMAGES[index]) and np.array_equal(
        sample["ids"], IDS[index]
    )


def test_a_file_holds_one_array_an_input(tmp_path: Path):
    data = load(written(tmp_path, image=IMAGES, ids=IDS))
    assert len(data["train"]) == 6
    assert all(same(data["train"].samples[index], index) for index in range(6))
    assert data.task == "unlabeled"
    assert data.labels == ()
    assert "image (4, 4, 3), ids (2,) int32" in data.summary()


def test_a_folder_of_arrays_is_the_same(tmp_path: Path):
    np.save(tmp_path / "image.npy", IMAGES)
    np.save(tmp_path / "ids.npy", IDS)
    data = load(tmp_path)
    assert all(same(data["train"].samples[index], index) for index in range(6))
    (tmp_path / "file").mkdir()
    assert data.sha256 == load(written(tmp_path / "file", image=IMAGES, ids=IDS)).sha256


def test_a_folder_of_files_holds_a_sample_in_each(tmp_path: Path):
    for index in range(6):
        np.savez(tmp_path / f"{index}.npz", image=IMAGES[index], ids=IDS[index])
    data = load(tmp_path)
    assert len(data["train"]) == 6
    assert all(same(data["train"].samples[index], index) for index in range(6))


def test_files_and_folders_called_after_splits_are_these(tmp_path: Path):
    np.savez(tmp_path / "calibration.npz", image=IMAGES[:4], ids=IDS[:4])
    (tmp_path / "test").mkdir()
    for index in (4, 5):
        np.savez(tmp_path / "test" / f"{index}.npz", image=IMAGES[index], ids=IDS[index])
    data = load(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 4, "test": 2}
    assert same(data["test"].samples[1], 5)


def test_one_piece_is_divided_between_calibration_and_test(tmp_path: Path):
    data = hold_out_calibration(load(written(tmp_path, image=IMAGES, ids=IDS)))
    assert [len(data["train"]), len(data["test"])] == [3, 3]
    assert set(data["test"].samples[0]) == {"image", "ids"}


def test_numbers_are_the_models_own_classes(tmp_path: Path):
    data = load(written(tmp_path, image=IMAGES, labels=np.asarray([0, 3, 1, 1, 0, 3])))
    assert data.task == "classification"
    assert data.answers("train").class_ids == (0, 1, 2, 3)
    assert data["train"].labels.tolist() == [0, 3, 1, 1, 0, 3]


def test_words_are_classes_by_name(tmp_path: Path):
    data = load(written(tmp_path, image=IMAGES, y=np.asarray(list("abbaab"))))
    assert data.labels == ("a", "b")
    assert data["train"].labels.tolist() == [0, 1, 1, 0, 0, 1]
    assert data.answers("train").class_ids is None


def test_numbers_with_names_are_classes_by_name(tmp_path: Path):
    names = np.asarray(["cat", "dog"])
    path = written(tmp_path, image=IMAGES, labels=np.asarray([0, 1] * 3), class_names=names)
    data = load(path)
    assert data.labels == ("cat", "dog")
    assert data.answers("train").class_ids is None


def test_a_set_that_holds_only_y_takes_it_for_an_input(tmp_path: Path):
    assert load(written(tmp_path, y=np.arange(5))).task == "unlabeled"


def test_what_it_holds_can_be_inspected(tmp_path: Path):
    found = inspect(load(written(tmp_path, image=IMAGES, ids=IDS)))
    assert found.counts == {"train": {"without a label": 6}}
    assert found.facts["range of ids"] == "0 … 11"


def test_other_content_is_another_set(tmp_path: Path):
    first = load(written(tmp_path, image=IMAGES, ids=IDS)).sha256
    assert load(written(tmp_path, image=IMAGES, ids=IDS[::-1])).sha256 != first
    assert load(written(tmp_path, image=IMAGES, other=IDS)).sha256 != first


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"image": IMAGES, "ids": IDS[:4]}, "different numbers of samples: image 6, ids 4"),
        ({"image": IMAGES, "gain": np.float32(2)}, "gain is a single number"),
        ({"image": np.full((2, 3), np.nan, np.float32)}, "data.npz, image: nan"),
        ({"image": IMAGES[:0]}, "holds no samples"),
        ({"words": np.asarray(["a", "b"])}, "holds texts only"),
    ],
)
def test_what_makes_no_samples_is_named(tmp_path: Path, arrays, match: str):
    refused(written(tmp_path, **arrays), match)


def test_pickles_are_refused(tmp_path: Path):
    refused(written(tmp_path, image=np.asarray([{}, {}], object)), "pickles")


def test_a_bare_array_has_no_name(tmp_path: Path):
    np.save(tmp_path / "image.npy", IMAGES)
    assert "pass the folder" in refused(tmp_path / "image.npy", "without a name").hint


def test_an_empty_folder_is_named(tmp_path: Path):
    assert "for each input" in refused(tmp_path, "holds no .npz").hint


def test_samples_that_hold_other_arrays_are_named(tmp_path: Path):
    np.savez(tmp_path / "0.npz", image=IMAGES[0])
    np.savez(tmp_path / "1.npz", picture=IMAGES[1])
    refused(tmp_path, r"1\.npz holds picture \(4, 4, 3\), 0\.npz image")


def test_labels_of_one_split_alone_are_refused(tmp_path: Path):
    np.savez(tmp_path / "train.npz", image=IMAGES, labels=np.zeros(6, int))
    np.savez(tmp_path / "test.npz", image=IMAGES)
    refused(tmp_path, "test has no labels|test.npz has no labels")


def test_nothing_prepares_them(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be preprocessed"):
        load(written(tmp_path, image=IMAGES)).preprocessing((4, 4, 3))
