"""COCO's layout: what is read, and what is odd in it is left out by name."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data.boxes.coco import load_coco
from edgecnn.errors import InputError
from tests.unit.data.boxes.annotated_pair import BOX, HEIGHT, WIDTH, save_image

ODD_IN_COCO = {
    "three numbers": (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), "not four numbers"),
    "a word": (lambda d: d["annotations"][0].update(bbox=["x", 1, 2, 3]), "not four numbers"),
    "nothing": (lambda d: d["annotations"][0].update(bbox=None), "not four numbers"),
    "no width": (lambda d: d["annotations"][0].update(bbox=[5, 5, 0, 9]), "no area"),
    "no height": (lambda d: d["annotations"][0].update(bbox=[5, 5, 9, 0.0]), "no area"),
    "negative": (lambda d: d["annotations"][0].update(bbox=[5, 5, -9, 9]), "no area"),
    "outside": (lambda d: d["annotations"][0].update(bbox=[500, 5, 9, 9]), "outside the image"),
    "not a number": (lambda d: d["annotations"][0].update(bbox=[float("nan"), 5, 9, 9]), "finite"),
    "endless": (lambda d: d["annotations"][0].update(bbox=[0, 5, float("inf"), 9]), "finite"),
    "unlisted image": (lambda d: d["annotations"][0].update(image_id=99), "99 is not listed"),
    "unlisted class": (lambda d: d["annotations"][0].update(category_id=3), "3 is not listed"),
    "over the edge": (lambda d: d["annotations"][0].update(bbox=[70, 5, 30, 9]), "in 80×60"),
}


@pytest.mark.parametrize("fault", ODD_IN_COCO)
def test_an_odd_box_of_coco_is_named_and_the_others_stay(coco, fault):
    change, reason = ODD_IN_COCO[fault]

    def with_another(document):
        extra = {"id": 4, "image_id": 2, "category_id": 7, "bbox": [3, 3, 9, 9]}
        document["annotations"].append(extra)
        change(document)

    data = load_coco(coco(with_another))

    assert [len(file.boxes) for file in data.files] == [int(fault == "over the edge"), 1]
    (odd,) = data.left_out
    assert (odd.kind, "annotation 1" in odd.file) == (
        "cut" if fault == "over the edge" else "box",
        True,
    )
    assert reason in odd.reason


ODD_IMAGES = {
    "leaves the folder": (lambda d: d["images"][0].update(file_name="../../etc/x"), "missing"),
    "absolute": (lambda d: d["images"][0].update(file_name="/etc/passwd"), "missing"),
    "a null character": (lambda d: d["images"][0].update(file_name="a\0.png"), "missing"),
    "missing": (lambda d: d["images"][0].update(file_name="gone.png"), "missing"),
    "no name": (lambda d: d["images"][0].pop("file_name"), "no file name"),
    "another size": (lambda d: d["images"][0].update(width=WIDTH + 1), "its annotation says 81×60"),
}


@pytest.mark.parametrize("fault", ODD_IMAGES)
def test_an_odd_image_of_coco_is_left_out(coco, fault):
    change, reason = ODD_IMAGES[fault]

    def with_another(document):
        extra = {"id": 4, "image_id": 2, "category_id": 7, "bbox": [3, 3, 9, 9]}
        document["annotations"].append(extra)
        change(document)

    data = load_coco(coco(with_another))

    assert [file.path.name for file in data.files] == ["b.png"]
    assert reason in data.left_out[0].reason
    assert {entry.kind for entry in data.left_out} <= {"file", "box"}


@pytest.mark.parametrize("size", [0, -1, None, [], "x", float("inf")])
def test_a_size_that_says_nothing_is_read_off_the_image(coco, size):
    data = load_coco(coco(lambda d: d["images"][0].update(height=size)))

    assert (data.files[0].height, data.files[0].width) == (HEIGHT, WIDTH)


def test_an_image_listed_twice_has_the_boxes_of_both(coco):
    def twice(document):
        document["images"].append({"id": 3, "file_name": "a.png"})
        document["annotations"].append(
            {"id": 4, "image_id": 3, "category_id": 7, "bbox": [3, 3, 9, 9]}
        )

    assert [len(file.boxes) for file in load_coco(coco(twice)).files] == [2, 0]


def test_an_id_of_two_images_names_neither(coco):
    def twice(document):
        document["images"][1]["id"] = 1
        save = {"id": 5, "file_name": "c.png"}
        document["images"].append(save)
        document["annotations"].append(
            {"id": 4, "image_id": 5, "category_id": 7, "bbox": [3, 3, 9, 9]}
        )

    folder = coco(twice)
    save_image(folder / "images" / "c.png")
    data = load_coco(folder)

    assert [file.path.name for file in data.files] == ["c.png"]
    assert sorted(entry.file for entry in data.left_out) == ["a.png", "b.png"]


def test_polygons_without_a_bbox_are_boxed(coco):
    def outlined(document):
        del document["annotations"][0]["bbox"]
        document["annotations"][0]["segmentation"] = [[10, 20, 50, 20, 50, 45], [12, 30, 20, 44]]

    np.testing.assert_allclose(load_coco(coco(outlined)).files[0].boxes, [BOX])


def test_a_set_without_any_usable_box_is_refused(coco):
    folder = coco(lambda d: [a.update(bbox=[1, 1, 0, 0]) for a in d["annotations"]])

    with pytest.raises(InputError, match=r"no box can be used; 3 boxes left out: a\.png, annot"):
        load_coco(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"images": 3}'])
def test_what_is_not_coco_is_refused(tmp_path, content):
    path = tmp_path / "annotations.json"
    path.write_bytes(content)

    with pytest.raises(InputError):
        load_coco(path)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_coco(tmp_path / "none.json")


def test_a_class_that_coco_does_not_have_is_an_input_error(coco):
    with pytest.raises(InputError, match="no class 'giraffe'") as caught:
        load_coco(coco(), label="giraffe")

    assert caught.value.hint == "it has: Stop Sign (7), pole (8)"


def test_a_damaged_image_is_left_out_and_named(coco):
    folder = coco()
    (folder / "images" / "b.png").write_bytes(b"not an image")

    (odd,) = load_coco(folder).left_out
    assert str(odd) == "b.png: not an image"
