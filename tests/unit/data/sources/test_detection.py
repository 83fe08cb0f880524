"""Annotated images as a data set like any other: one split, boxes as its answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.data import load
from edgecnn.errors import InputError
from edgecnn.preprocessing import LetterboxPreprocessing

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

BOX = (4.0, 6.0, 20.0, 24.0)


def write_coco(folder, *, count=3, stated=(40, 30)):
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (40, 30), (number, 9, 9)).save(folder / "images" / f"{number}.png")
    left, top, right, bottom = BOX
    document = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": stated[0], "height": stated[1]}
            for n in range(count)
        ],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "iscrowd": 0,
             "bbox": [left, top, right - left, bottom - top]},
        ],
        "categories": [{"id": 1, "name": "stop sign"}],
    }  # fmt: skip
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def write_yolo(folder):
    write_coco(folder)
    (folder / "annotations.json").unlink()
    (folder / "labels").mkdir()
    left, top, right, bottom = BOX
    middle = ((left + right) / 80, (top + bottom) / 60, (right - left) / 40, (bottom - top) / 30)
    (folder / "labels" / "0.txt").write_text("0 " + " ".join(map(str, middle)) + "\n")
    (folder / "data.yaml").write_text("names: ['stop sign']\n")
    return folder


def write_voc(folder):
    write_coco(folder)
    (folder / "annotations.json").unlink()
    left, top, right, bottom = BOX
    for number in range(3):
        thing = (
            f"<object><name>stop</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        )
        (folder / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.png</filename>{thing * (number == 0)}</annotation>"
        )
        (folder / "images" / f"{number}.png").rename(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("source", "write"), [("coco", write_coco), ("yolo", write_yolo), ("voc", write_voc)]
)
def test_every_layout_gives_the_same_answers(source, write, tmp_path):
    data = load(f"{source}:{write(tmp_path / 'signs')}")

    assert (data.task, list(data.splits)) == ("detection", ["test"])
    split = data["test"]
    assert split.labels.tolist() == [1, 0, 0]
    np.testing.assert_allclose(split.ground_truth[0].boxes, [BOX], atol=0.01)
    assert [sample.shape for sample in split.samples] == [(30, 40, 3)] * 3
    assert data.record()["samples"] == {"test": 3}


def test_the_digest_is_that_of_images_boxes_and_splits(tmp_path):
    one = load(f"coco:{write_coco(tmp_path / 'one')}")
    same = load(f"coco:{write_coco(tmp_path / 'same')}")
    fewer = load(f"coco:{write_coco(tmp_path / 'fewer', count=2)}")

    assert one.sha256 == same.sha256 != fewer.sha256


def test_folders_of_splits_are_splits(tmp_path):
    write_coco(tmp_path / "train", count=4)
    write_coco(tmp_path / "valid", count=2)
    data = load(f"coco:{tmp_path}")

    assert data.record()["samples"] == {"train": 4, "validation": 2}


def test_images_are_letterboxed(tmp_path):
    data = load(f"coco:{write_coco(tmp_path / 'signs')}")

    assert data.preprocessing((64, 64, 3)) == LetterboxPreprocessing(64, 64, 3)
    with pytest.raises(InputError, match="needs an input"):
        data.preprocessing((64, 64, 1))


def test_images_all_of_another_size_than_stated_are_refused(tmp_path):
    with pytest.raises(InputError, match="the image is 40×30, its annotation says 80×60"):
        load(f"coco:{write_coco(tmp_path / 'signs', stated=(80, 60))}")


def test_a_place_is_needed_and_must_be_there(tmp_path):
    with pytest.raises(InputError, match="need a path"):
        load("coco")
    with pytest.raises(InputError, match="no such file"):
        load(f"yolo:{tmp_path / 'none'}")


NAMES = ("cow", "stop", "trafficlight")


def write_many(folder):
    """One image with a box of each class, one with none."""
    write_coco(folder, count=2)
    document = json.loads((folder / "annotations.json").read_text())
    (one,) = document["annotations"]
    document["categories"] = [{"id": n, "name": name} for n, name in enumerate(NAMES, start=1)]
    document["annotations"] = [
        one | {"id": n, "category_id": n, "bbox": [n, n, 10, 10]} for n in (1, 2, 3)
    ]
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def answers(place, names, classes=()):
    return load(f"coco:{place}", classes=classes).answers("test", names)


MODEL = ("person", "traffic light", "stop sign")


def test_a_detector_of_many_classes_is_asked_for_all_that_both_sides_have(tmp_path):
    found = answers(write_many(tmp_path / "set"), MODEL)

    assert found.class_ids == (1, 2)
    assert found.labels == ("traffic light", "stop sign")
    first, second = found.ground_truth
    assert first.class_ids.tolist() == [2, 1]
    np.testing.assert_allclose(first.boxes, [[2, 2, 12, 12], [3, 3, 13, 13]])
    assert len(second.boxes) == 0


def test_chosen_classes_are_found_under_the_models_names(tmp_path):
    found = answers(write_many(tmp_path / "set"), MODEL, ("stop sign",))

    assert found.class_ids == (2,)
    assert found.ground_truth[0].class_ids.tolist() == [2]


def test_a_chosen_class_that_the_model_lacks_is_refused(tmp_path):
    place = write_many(tmp_path / "set")

    with pytest.raises(InputError, match="the model has no class 'cow'") as refused:
        answers(place, MODEL, ("cow",))
    assert "person, traffic light, stop sign" in refused.value.hint
    with pytest.raises(InputError, match="no box is of a class that the model has"):
        answers(place, ("zebra", "giraffe"))


def test_a_detector_of_one_class_gets_the_chosen_ones_as_one(tmp_path):
    place = write_many(tmp_path / "set")

    one = answers(place, (), ("stop", "cow"))
    assert one.class_ids is None
    assert one.ground_truth[0].class_ids.tolist() == [0, 0]
    assert len(answers(place, ("stop sign",)).ground_truth[0].boxes) == 1


def test_a_detector_of_one_named_class_is_asked_for_that_class(tmp_path):
    place = write_many(tmp_path / "set")

    found = answers(place, ("cow",))

    assert (found.labels, found.class_ids) == (("cow",), None)
    np.testing.assert_allclose(found.ground_truth[0].boxes, [[1, 1, 11, 11]])
    assert found.ground_truth[0].class_ids.tolist() == [0]


@pytest.mark.parametrize(
    ("names", "classes", "had"),
    [(("dog",), (), "cow, stop, trafficlight"), (("cow",), ("stop",), "stop")],
)
def test_a_detector_of_one_class_is_not_scored_on_another(tmp_path, names, classes, had):
    with pytest.raises(InputError, match=f"the data set has {had}$") as refused:
        answers(write_many(tmp_path / "set"), names, classes)
    assert refused.value.hint == f"the model has: {names[0]}"


@pytest.mark.parametrize("names", [("Stop-Sign",), ("STOP",), ("0",)])
def test_a_detector_of_one_class_finds_it_however_it_is_written(tmp_path, names):
    found = answers(write_coco(tmp_path / "set"), names)

    assert found.labels == ("stop sign",)
    np.testing.assert_allclose(found.ground_truth[0].boxes, [BOX])


def test_a_class_that_is_only_a_number_may_be_any(tmp_path):
    place = write_yolo(tmp_path / "set")
    (place / "data.yaml").unlink()
    found = load(f"yolo:{place}").answers("test", ("stop sign",))

    assert found.labels == ("0",)
    assert len(found.ground_truth[0].boxes) == 1


def test_a_class_that_the_set_writes_in_two_ways_is_asked_for_in_both(tmp_path):
    place = write_many(tmp_path / "set")
    document = json.loads((place / "annotations.json").read_text())
    document["categories"][0]["name"] = "traffic-light"
    (place / "annotations.json").write_text(json.dumps(document))
    found = answers(place, ("Traffic Light",))

    assert found.labels == ("traffic-light", "trafficlight")
    assert len(found.ground_truth[0].boxes) == 2


def swapped(document):
    first, _, third = document["annotations"]
    first["category_id"], third["category_id"] = third["category_id"], first["category_id"]


CHANGES = {
    "two classes swapped": swapped,
    "a box of another class moved": lambda d: d["annotations"][0].update(bbox=[5, 5, 10, 10]),
    "a box of another class removed": lambda d: d["annotations"].pop(0),
    "a box of another class ignored": lambda d: d["annotations"][0].update(iscrowd=1),
    "another class renamed": lambda d: d["categories"][0].update(name="horse"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_digest_is_that_of_the_classes_that_were_not_chosen_too(tmp_path, change):
    place = write_many(tmp_path / "set")
    before, chosen = load(f"coco:{place}"), load(f"coco:{place}", classes=("stop",))
    document = json.loads((place / "annotations.json").read_text())
    change(document)
    (place / "annotations.json").write_text(json.dumps(document))
    after = load(f"coco:{place}")

    assert before.labels == chosen.labels == after.labels == ("stop",)
    assert len({before.sha256, chosen.sha256, after.sha256}) == 3


def test_a_set_of_one_class_has_the_digest_that_it_always_had(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.ppm").write_bytes(b"P6 16 16 255\n" + bytes(768))
    document = {
        "images": [{"id": 0, "file_name": "0.ppm", "width": 16, "height": 16}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "stop sign"}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    digests = {load(f"coco:{tmp_path}", classes=classes).sha256 for classes in ((), ("stop sign",))}

    assert digests == {"493f06c4e54f51d0bda958e652fe79805cf2478b952c825b5d18322919afe9f7"}
