"""Image folders as people have them: classes by folder, ready-made splits."""

from __future__ import annotations

import pytest
from PIL import Image

import edgecnn.data
from edgecnn.data import DataWarning
from edgecnn.errors import InputError
from tests.unit.data.sources.image_folders import fill, load, make_image


def test_classes_are_the_sub_folders_by_name(tmp_path):
    assert load(fill(tmp_path, ("zebra", "ant", "cow"))).labels == ("ant", "cow", "zebra")


def test_images_of_one_class_stay_in_it(tmp_path):
    fill(tmp_path, count=6)
    dataset = load(tmp_path)

    for split in dataset.splits.values():
        for index, label in enumerate(split.labels):
            assert split.samples.paths[index].parent.name == dataset.labels[label]


def test_the_hash_does_not_depend_on_where_the_folder_lies(tmp_path):
    first, second = (load(fill(tmp_path / name)) for name in ("one", "two"))

    assert first.sha256 == second.sha256


def test_a_changed_pixel_changes_the_hash(tmp_path):
    before = load(fill(tmp_path)).sha256
    path = tmp_path / "cat" / "000.png"
    with Image.open(path) as image:
        image.putpixel((0, 0), (1, 2, 3))
        image.save(path)

    assert load(tmp_path).sha256 != before


def test_a_folder_called_validation_is_one_too(tmp_path):
    for split in ("train", "validation"):
        fill(tmp_path / split)

    dataset = load(tmp_path)

    assert all("validation" in path.parts for path in dataset["validation"].samples.paths)
    assert all("train" in path.parts for path in dataset["test"].samples.paths)


def test_splits_that_are_absent_are_carved_from_training(tmp_path):
    fill(tmp_path / "train", count=20)

    sizes = {name: len(split) for name, split in load(tmp_path).splits.items()}

    assert sizes == {"train": 28, "validation": 6, "test": 6}


def test_a_test_without_classes_is_carved_from_training(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val", count=4)
    fill(tmp_path / "test", classes=("unlabeled",), count=6)
    with pytest.warns(DataWarning, match="is a class that training does not have"):
        dataset = load(tmp_path)

    sizes = {name: len(split) for name, split in dataset.splits.items()}
    assert sizes == {"train": 16, "validation": 8, "test": 4}
    assert dataset.notes == (
        "test holds no image of a class that can be used",
        "test taken from train",
    )


def test_a_test_of_classes_with_too_few_images_is_carved_from_training(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "train", classes=("emu",), count=1)
    fill(tmp_path / "test", classes=("emu",), count=5)
    with pytest.warns(DataWarning, match="class 'emu' has 1 sample"):
        dataset = load(tmp_path)

    assert dataset.labels == ("cat", "dog")
    assert {name: len(split) > 0 for name, split in dataset.splits.items()} == {
        "train": True, "validation": True, "test": True
    }  # fmt: skip
    assert "validation and test taken from train" in dataset.notes


def test_a_class_that_training_does_not_know_is_named(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", ("cat", "cow"))

    with pytest.warns(DataWarning, match="10 files left out: test/cow/000.png: 'cow' is a class"):
        dataset = load(tmp_path)

    assert dataset.labels == ("cat", "dog")
    assert len(dataset["test"]) == 10


def test_a_class_called_train_is_a_class(tmp_path):
    assert load(fill(tmp_path, ("plane", "train"))).labels == ("plane", "train")


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_classes_are_refused(tmp_path, count):
    fill(tmp_path, ("cat", "dog")[:count])

    with pytest.raises(InputError, match=r"received (no sub-folders|one class)") as caught:
        load(tmp_path)

    assert "at least two classes" in caught.value.hint


def test_an_empty_class_folder_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "ghost").mkdir()

    with pytest.warns(DataWarning, match="ghost: it holds no images"):
        assert load(tmp_path).labels == ("cat", "dog")


def test_a_class_of_broken_images_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "ghost").mkdir()
    (tmp_path / "ghost" / "x.png").write_text("broken")

    with pytest.warns(DataWarning, match="ghost/x.png: not an image"):
        assert load(tmp_path).labels == ("cat", "dog")


def test_a_class_with_a_single_image_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "once").mkdir()
    make_image().save(tmp_path / "once" / "only.png")

    with pytest.warns(DataWarning, match=r"only\.png: class 'once' has 1 sample\(s\), expected at"):
        assert load(tmp_path).labels == ("cat", "dog")


@pytest.mark.parametrize("place", ["absent", "cat/000.png"])
def test_a_place_that_is_no_folder_is_refused(tmp_path, place):
    fill(tmp_path)

    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / place)


def test_a_folder_source_needs_a_place():
    with pytest.raises(InputError, match="needs a path"):
        edgecnn.data.load("folder")


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Val", "Test"),
        ("training", "validation", "testing"),
        ("TRAIN", "valid", "TEST"),
        ("train", "dev", "test"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
    ],
)
def test_splits_go_by_every_usual_name(tmp_path, train, validation, test):
    for number, name in enumerate((train, validation, test)):
        fill(tmp_path / name, count=4 + number)

    dataset = load(tmp_path)

    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 8,
        "validation": 10,
        "test": 12,
    }
    assert all(path.is_relative_to(tmp_path / test) for path in dataset["test"].samples.paths)
    assert dataset.labels == ("cat", "dog")


@pytest.mark.parametrize("inner", ["pets", "data/pets"])
def test_a_folder_around_it_all_is_entered(tmp_path, inner):
    (tmp_path / "README.txt").write_text("pets")
    fill(tmp_path / inner / "Train")
    fill(tmp_path / inner / "Test", count=3)
    (tmp_path / "__MACOSX" / "pets").mkdir(parents=True)
    make_image().save(tmp_path / "__MACOSX" / "pets" / "x.png")

    dataset = load(tmp_path)

    assert dataset.labels == ("cat", "dog")
    assert len(dataset["test"]) == 6
    assert "validation taken from train" in dataset.summary()


def test_one_split_is_what_it_is_called(tmp_path):
    fill(tmp_path / "test")

    assert {name: len(split) for name, split in load(tmp_path).splits.items()} == {"test": 20}


def test_copies_that_tools_keep_are_no_samples(tmp_path):
    fill(tmp_path)
    for hidden in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        (tmp_path / "cat" / hidden).mkdir()
        make_image().save(tmp_path / "cat" / hidden / "000-checkpoint.png")
    for name in ("Thumbs.db", ".DS_Store", "._000.png"):
        (tmp_path / "cat" / name).write_bytes(b"\0")

    dataset = load(tmp_path)

    assert sum(len(split) for split in dataset.splits.values()) == 20
    assert "3 files that are not images were ignored (._000.png" in dataset.summary().replace(
        ".DS_Store, ", ""
    )


def test_an_image_in_no_class_folder_is_named(tmp_path):
    fill(tmp_path)
    make_image().save(tmp_path / "loose.png")

    with pytest.warns(DataWarning, match=r"loose\.png: it lies in no class folder"):
        load(tmp_path)


def test_the_line_says_what_was_understood(tmp_path):
    for split in ("train", "val", "test"):
        fill(tmp_path / split, count=3)

    dataset = load(tmp_path)

    assert dataset.summary() == "train 6, validation 6, test 6; classes cat, dog"
    assert dataset.record()["summary"] == dataset.summary()
