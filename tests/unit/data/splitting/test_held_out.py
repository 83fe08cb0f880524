"""What is held out of an annotated set is the same for training and for who measures later."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.data import load
from edgecnn.data.left_out import DataWarning
from edgecnn.data.splitting.held_out import (
    complete_splits,
    exclude_evaluation_images,
    restore_training_splits,
)
from edgecnn.data.splitting.training_overlap import KEY, training_overlap, training_record
from edgecnn.errors import InputError
from edgecnn.manifest import Manifest

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")


def write_coco(folder, count, *, seed=0, classes=("stop sign",), empty=0):
    """`count` images with a box of each class in turn, and `empty` without."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(count + empty):
        name = f"{number:03d}.png"
        pixels = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
        images.append({"id": number, "file_name": name, "height": 24, "width": 32})
        if number < count:
            annotations.append(
                {"id": number, "image_id": number, "category_id": number % len(classes),
                 "bbox": [4, 4, 12, 10]}
            )  # fmt: skip
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes)],
    }
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def paths(dataset, split):
    return {file.path for file in dataset[split].files}


def trained_on(dataset):
    """The manifest of a model that was trained on a set, as JSON gives it back."""
    divided = complete_splits(dataset)
    record = {**divided.record(), KEY: training_record(divided)}
    return Manifest.from_dict(json.loads(json.dumps(Manifest(data=record).to_dict())))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return load(f"coco:{write_coco(tmp_path_factory.mktemp('whole') / 'set', 20)}")


def test_blocks_of_neighbors_are_held_out_of_a_set_in_one_piece(whole):
    divided = complete_splits(whole)
    assert {name: len(split) for name, split in divided.splits.items()} == {
        "train": 16,
        "validation": 4,
        "test": 4,
    }
    held = sorted(path.stem for path in paths(divided, "validation"))
    assert held == ["008", "009", "010", "011"]
    assert not paths(divided, "train") & paths(divided, "validation")
    assert paths(divided, "test") == paths(divided, "validation")
    assert any("held out" in note for note in divided.notes)


def test_what_is_held_out_has_boxes_also_where_images_without_come_last(tmp_path):
    divided = complete_splits(load(f"coco:{write_coco(tmp_path / 'set', 8, empty=12)}"))
    for split in ("train", "validation"):
        assert divided[split].labels.sum() == 4


def test_the_whole_of_a_set_holds_what_training_saw(whole):
    seen = training_overlap(trained_on(whole), whole)
    assert (seen.count, seen.of) == (16, 20)
    assert "16 of 20 samples were in the training data" in seen.sentence


def test_whoever_has_the_model_gets_the_same_part_to_measure_on(whole):
    manifest = trained_on(whole)
    divided = restore_training_splits(whole, [manifest])
    assert paths(divided, "test") == paths(complete_splits(whole), "test")
    assert training_overlap(manifest, divided).count == 0
    assert restore_training_splits(whole, [Manifest()]) is whole


def test_a_set_whose_only_split_is_called_train_is_divided_again(tmp_path):
    write_coco(tmp_path / "set" / "train", 20)
    dataset = load(f"coco:{tmp_path / 'set'}")
    assert set(dataset.splits) == {"train"}
    manifest = trained_on(dataset)

    divided = restore_training_splits(dataset, [manifest])

    assert paths(divided, "test") == paths(complete_splits(dataset), "validation")
    assert training_overlap(manifest, divided).count == 0
    assert restore_training_splits(dataset, [Manifest()]) is dataset


def test_each_of_several_sets_is_divided_again_whatever_its_only_split_is_called(tmp_path):
    one = write_coco(tmp_path / "one", 20, seed=1)
    write_coco(tmp_path / "other" / "train", 10, seed=2)
    dataset = load(f"coco:{one},{tmp_path / 'other'}")
    manifest = trained_on(dataset)

    divided = restore_training_splits(dataset, [manifest])

    assert len(divided["test"]) == 6
    assert training_overlap(manifest, divided).count == 0


def test_a_set_with_splits_is_as_it_was(tmp_path):
    for split in ("train", "test"):
        write_coco(tmp_path / "set" / split, 10)
    dataset = load(f"coco:{tmp_path / 'set'}")

    assert restore_training_splits(dataset, [trained_on(dataset)]) is dataset


def test_a_validation_that_is_the_training_was_seen_as_a_whole(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "train" / "images").mkdir(parents=True)
    (tmp_path / "train" / "labels").mkdir()
    for number in range(10):
        pixels = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "train" / "images" / f"{number}.png")
        (tmp_path / "train" / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.3 0.3\n")
    (tmp_path / "data.yaml").write_text(
        "train: train/images\nval: train/images\nnames: ['stop sign']\n"
    )
    dataset = load(f"yolo:{tmp_path}")

    seen = training_overlap(trained_on(dataset), dataset)

    assert (seen.count, seen.of, seen.exact) == (10, 10, True)


def test_several_sets_are_one_and_each_is_held_out_of_by_itself(tmp_path):
    one = write_coco(tmp_path / "one", 10, seed=1)
    other = write_coco(tmp_path / "other", 4, seed=2, classes=("stop sign", "yield"), empty=6)
    dataset = load(f"coco:{one},{other}")
    assert dataset.name == "one+other"
    assert dataset.labels == ("stop sign",)
    assert dataset.class_names == ("stop sign", "yield")
    assert len(dataset["test"]) == 20
    divided = complete_splits(dataset)
    held = {(path.parents[1].name, path.stem) for path in paths(divided, "validation")}
    assert held == {("one", "004"), ("one", "005"), ("other", "000"), ("other", "001")}
    ids = {int(number) for file in dataset["test"].every_class for number in file.class_ids}
    assert ids == {0, 1}
    sets = divided.record()["sets"]
    assert [(part["name"], part["samples"]["train"]) for part in sets] == [("one", 8), ("other", 8)]
    assert training_overlap(trained_on(dataset), dataset).count == 16
    assert training_overlap(trained_on(dataset), load(f"coco:{one}")).count == 8


@pytest.mark.parametrize(
    ("places", "why"),
    [("{one},{one}", "is named twice"), ("{one},{one}/nowhere", "no such file or folder")],
)
def test_places_that_make_no_set_are_refused(tmp_path, places, why):
    one = write_coco(tmp_path / "one", 4)
    with pytest.raises(InputError, match=why):
        load(f"coco:{places.format(one=one)}")


def test_a_set_without_anything_to_train_on_says_so(tmp_path):
    folder = tmp_path / "set"
    for split in ("valid", "test"):
        write_coco(folder / split, 3)
    with pytest.raises(InputError, match="no split to train on, only"):
        complete_splits(load(f"coco:{folder}"))


def test_images_that_are_evaluated_are_not_trained_on_by_another_way(whole, tmp_path):
    """A set whose objects are cut out may hold copies of what is held out of another."""
    divided = complete_splits(whole)
    held = {path.name for path in paths(divided, "validation")}
    with pytest.warns(DataWarning, match="4 of 20 images of set are validation or test images"):
        apart = exclude_evaluation_images(whole, whole)
    assert {path.name for path in paths(apart, "test")} == {
        path.name for path in paths(whole, "test")
    } - held
    assert apart["test"].labels.sum() == 16
    other = load(f"coco:{write_coco(tmp_path / 'other', 6, seed=1)}")
    assert exclude_evaluation_images(other, whole) is other


def test_a_set_that_is_evaluated_as_a_whole_leaves_nothing_to_cut_out(whole):
    held = replace(whole, splits={"test": complete_splits(whole)["validation"]})
    with pytest.raises(InputError, match="4 of 4 images of set"):
        exclude_evaluation_images(held, whole)
