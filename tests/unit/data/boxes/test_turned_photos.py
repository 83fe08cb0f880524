"""Boxes of photos that EXIF turns: in the coordinates that fit, or a question."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from edgecnn.data import DataWarning, load
from edgecnn.errors import InputError
from tests.unit.data.boxes.small_sets import (
    BOX,
    HEIGHT,
    LINE,
    WIDTH,
    Image,
    document,
    save,
    write_json,
)


def photo(path, orientation, size=(WIDTH, HEIGHT)):
    """An image as a camera stores it, black, with the BOX white."""
    image = Image.new("L", size, 0)
    left, top, right, bottom = (int(value) for value in BOX)
    image.paste(255, (left, top, right, bottom))
    exif = image.getexif()
    exif[274] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    image.convert("RGB").save(path, exif=exif)


def assert_boxes_are_where_it_is_white(dataset):
    for sample, file in zip(dataset["test"].samples, dataset["test"].files, strict=True):
        rows, columns = np.nonzero(sample[:, :, 0] > 127)
        white = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        np.testing.assert_allclose(file.boxes, [white], atol=0.01)


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_in_stored_coordinates_are_turned_with_their_photo(tmp_path, orientation, ending):
    photo(tmp_path / "images" / f"0.{ending}", orientation)
    photo(tmp_path / "images" / "1.png", 6)  # says how the set is meant
    write_json(tmp_path / "annotations.json", [f"0.{ending}", "1.png"])

    dataset = load(f"coco:{tmp_path}")

    assert_boxes_are_where_it_is_white(dataset)
    assert "read as stored" in dataset.summary()


def test_boxes_of_upright_photos_stay(tmp_path):
    photo(tmp_path / "images" / "0.png", 6)
    with Image.open(tmp_path / "images" / "0.png") as image:
        assert image.size == (WIDTH, HEIGHT)
    left, top, right, bottom = BOX
    upright = [HEIGHT - bottom, left, bottom - top, right - left]
    values = document(["0.png"])
    values["images"][0] |= {"width": HEIGHT, "height": WIDTH}
    values["annotations"][0]["bbox"] = upright
    (tmp_path / "annotations.json").write_text(json.dumps(values))

    dataset = load(f"coco:{tmp_path}")

    assert_boxes_are_where_it_is_white(dataset)
    assert "read as upright" in dataset.summary()


def yolo_photo(root, orientation):
    photo(root / "0.png", orientation)
    (root / "0.txt").write_text(LINE)
    (root / "classes.txt").write_text("stop sign\n")
    return root


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_what_nothing_tells_is_asked(tmp_path, orientation):
    place = f"yolo:{yolo_photo(tmp_path, orientation)}"

    with pytest.raises(InputError, match="whether its boxes refer") as caught:
        load(place)
    assert "--exif stored" in caught.value.hint

    assert_boxes_are_where_it_is_white(load(place, exif="stored"))
    assert "read as upright" in load(place, exif="upright").summary()


def test_one_turned_photo_among_others_is_left_out_and_the_question_said(tmp_path):
    yolo_photo(tmp_path, 6)
    save(tmp_path / "1.png")
    (tmp_path / "1.txt").write_text(LINE)

    with pytest.warns(DataWarning, match=r"0\.png: it is rotated by EXIF .*--exif stored or"):
        dataset = load(f"yolo:{tmp_path}")

    assert len(dataset["test"]) == 1


def test_a_turned_photo_without_boxes_asks_nothing(tmp_path):
    yolo_photo(tmp_path, 6)
    (tmp_path / "0.txt").write_text("")

    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        assert len(load(f"yolo:{tmp_path}")["test"]) == 1
