"""A set in one piece: what calibrates is never what accuracy is claimed on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.data import load
from edgecnn.data.base import Dataset, Split
from edgecnn.data.splitting.calibration_holdout import (
    exclude_calibration_samples,
    hold_out_calibration,
)
from edgecnn.manifest import Manifest

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")


@pytest.fixture
def signs(tmp_path):
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for number in range(9):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png"})
        box = {"image_id": number, "category_id": 1, "bbox": [number, 2, 9, 9]}
        annotations.append({"id": number, **box})
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "stop sign"}, {"id": 2, "name": "car"}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    return f"coco:{tmp_path}"


def names(split):
    return [file.path.name for file in split.files]


def test_a_part_of_the_only_split_is_set_apart(signs):
    whole = load(signs)
    divided = hold_out_calibration(whole)

    assert len(divided["train"]) == 4
    assert len(divided["test"]) == 5
    assert sorted(names(divided["train"]) + names(divided["test"])) == names(whole["test"])
    assert [path.name for path in divided["test"].samples.paths] == names(divided["test"])
    assert divided["test"].labels.tolist() == [1] * 5
    assert "4 samples of it held out for calibration" in divided.summary()
    assert divided.record()["set_apart"] == 4


def test_what_is_left_when_a_part_was_set_apart_is_not_divided_again(signs):
    divided = hold_out_calibration(load(signs))
    left = replace(divided, splits={"test": divided["test"]})

    assert exclude_calibration_samples(left, [calibrated_with(left)]) is left


def test_it_is_the_same_part_for_everybody(signs):
    assert names(hold_out_calibration(load(signs))["train"]) == names(
        hold_out_calibration(load(signs, seed=7))["train"]
    )


def test_data_with_several_splits_stay_as_they_are():
    digits = load("digits")

    assert hold_out_calibration(digits) is digits


def calibrated_with(dataset, **changes):
    record = {"data": dataset.name, "sha256": dataset.sha256, "set_apart": 4} | changes
    return Manifest(conversion={"calibration": record})


def test_what_calibrated_one_file_counts_for_none_of_them(signs):
    whole = load(signs)
    others = [Manifest(), calibrated_with(whole)]

    assert names(exclude_calibration_samples(whole, others)["test"]) == names(
        hold_out_calibration(whole)["test"]
    )


def test_other_classes_of_the_same_images_are_the_same_data(signs):
    manifest = calibrated_with(load(signs))
    cars = load(signs, classes=["car", "stop sign"])

    assert cars.sha256 != load(signs).sha256
    assert len(exclude_calibration_samples(cars, [manifest])["test"]) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"set_apart": 0},
        {"data": "another", "sha256": "0" * 64},
        {"sha256": "0" * 64, "set_apart": 9},  # another folder of that name
    ],
    ids=str,
)
def test_files_that_other_samples_calibrated_leave_the_set_whole(signs, changes):
    whole = load(signs)

    assert exclude_calibration_samples(whole, [calibrated_with(whole, **changes)]) is whole


def test_a_folder_of_the_same_name_without_boxes_is_another_set():
    samples = np.zeros((8, 4, 4), np.uint8)
    splits = {"test": Split(samples, np.zeros(8, np.int64))}
    whole = Dataset("data", "classification", ("a", "b"), splits, "ab", (4, 4))

    assert exclude_calibration_samples(whole, [calibrated_with(whole, sha256="0" * 64)]) is whole
    assert exclude_calibration_samples(whole, [calibrated_with(whole)]) is not whole
