"""Annotated pictures in COCO's, VOC's and YOLO's layout read alike; bad files say what is bad."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from edgecnn.data.boxes import BoxDataset, BoxedFile, split_in_blocks, to_boxes
from edgecnn.data.boxes_coco import load_coco
from edgecnn.data.boxes_voc import load_voc
from edgecnn.data.boxes_yolo import load_yolo
from edgecnn.errors import InputError

WIDTH, HEIGHT = 80, 60
BOX = (10, 20, 50, 45)  # left, top, right, bottom


def save_picture(path, size=(WIDTH, HEIGHT)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 30, 40)).save(path)


def coco_document():
    left, top, right, bottom = BOX
    box = [left, top, right - left, bottom - top]
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT},
            {"id": 2, "file_name": "b.png", "width": WIDTH, "height": HEIGHT},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": box, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 7, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"id": 3, "image_id": 1, "category_id": 8, "bbox": [1, 1, 9, 9], "iscrowd": 0},
        ],
        "categories": [{"id": 7, "name": "Stop Sign"}, {"id": 8, "name": "pole"}],
    }


@pytest.fixture
def coco(tmp_path):
    def write(change=None):
        document = coco_document()
        if change:
            change(document)
        (tmp_path / "annotations.json").write_text(json.dumps(document))
        for name in ("a.png", "b.png"):
            save_picture(tmp_path / "images" / name)
        return tmp_path

    return write


VOC = """<annotation><filename>{name}</filename>
<size><width>80</width><height>60</height></size>{objects}</annotation>"""
VOC_OBJECT = """<object><name>{kind}</name><difficult>{difficult}</difficult><bndbox>
<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def voc_object(box=BOX, kind="stop", difficult=0):
    left, top, right, bottom = box
    return VOC_OBJECT.format(left + 1, top + 1, right, bottom, kind=kind, difficult=difficult)


@pytest.fixture
def voc(tmp_path):
    def write(objects=None, name="a.png"):
        folder = tmp_path / "Annotations"
        folder.mkdir(exist_ok=True)
        objects = (
            voc_object() + voc_object((0, 0, 5, 5), difficult=1) if objects is None else objects
        )
        (folder / "a.xml").write_text(VOC.format(name=name, objects=objects))
        (folder / "b.xml").write_text(VOC.format(name="b.png", objects=""))
        for picture in ("a.png", "b.png"):
            save_picture(tmp_path / "images" / picture)
        return folder

    return write


@pytest.fixture
def yolo(tmp_path):
    def write(lines="1 0.375 0.541666667 0.5 0.416666667\n0 0.5 0.5 0.1 0.1\n"):
        for name in ("a.png", "b.png"):
            save_picture(tmp_path / "images" / name)
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / "a.txt").write_text(lines)
        (tmp_path / "data.yaml").write_text("nc: 2\nnames: ['pole', 'stop sign']\n")
        return tmp_path

    return write


@pytest.mark.parametrize("layout", ["coco", "voc", "yolo"])
def test_all_layouts_read_the_same_boxes(layout, request):
    folder = request.getfixturevalue(layout)()
    data = {"coco": load_coco, "voc": load_voc, "yolo": load_yolo}[layout](folder)

    assert [file.path.name for file in data.files] == ["a.png", "b.png"]
    np.testing.assert_allclose(data.files[0].boxes, [BOX], atol=0.01)
    assert data.files[1].boxes.shape == (0, 4)
    assert len(data.positives) == 1
    assert len(data.negatives) == 1
    assert data.files[0].load().picture.shape == (HEIGHT, WIDTH, 3)


def test_crowds_and_difficult_objects_are_ignored_ones(coco, voc):
    np.testing.assert_allclose(load_coco(coco()).files[0].ignored, [[0, 0, 5, 5]])
    np.testing.assert_allclose(load_voc(voc()).files[0].ignored, [[0, 0, 5, 5]])


def test_the_digest_follows_pictures_and_boxes(coco):
    before = load_coco(coco()).sha256
    assert load_coco(coco()).sha256 == before

    moved = load_coco(coco(lambda d: d["annotations"][0].update(bbox=[11, 20, 40, 25])))
    assert moved.sha256 != before

    folder = coco()
    Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 0)).save(folder / "images" / "b.png")
    assert load_coco(folder).sha256 != before


COCO_FAULTS = {
    "no images": (lambda d: d.pop("images"), "not a COCO"),
    "no such class": (lambda d: d["categories"].clear(), "no class"),
    "three numbers": (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), "not a COCO"),
    "a word": (lambda d: d["annotations"][0].update(bbox=["x", 1, 2, 3]), "not a COCO"),
    "nothing": (lambda d: d["annotations"][0].update(bbox=None), "not a COCO"),
    "no extent": (lambda d: d["annotations"][0].update(bbox=[5, 5, 0, 9]), "empty or outside"),
    "outside": (lambda d: d["annotations"][0].update(bbox=[500, 5, 9, 9]), "empty or outside"),
    "not a number": (lambda d: d["annotations"][0].update(bbox=[float("nan"), 5, 9, 9]), "finite"),
    "endless": (lambda d: d["annotations"][0].update(bbox=[0, 5, float("inf"), 9]), "finite"),
    "unlisted picture": (lambda d: d["annotations"][0].update(image_id=99), "not listed"),
    "leaves the folder": (lambda d: d["images"][0].update(file_name="../../etc/x"), "stay in"),
    "absolute": (lambda d: d["images"][0].update(file_name="/etc/passwd"), "stay in"),
    "flat picture": (lambda d: d["images"][0].update(height=0), "said to be"),
    "size is a list": (lambda d: d["images"][0].update(height=[]), "not a COCO"),
}


@pytest.mark.parametrize("fault", COCO_FAULTS)
def test_a_bad_coco_file_says_what_is_bad(coco, fault):
    change, message = COCO_FAULTS[fault]

    with pytest.raises(InputError, match=message):
        load_coco(coco(change))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"images": 3}'])
def test_what_is_not_coco_is_refused(tmp_path, content):
    path = tmp_path / "annotations.json"
    path.write_bytes(content)

    with pytest.raises(InputError):
        load_coco(path)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load_coco(tmp_path / "none.json")


def test_a_picture_of_another_size_than_stated_is_refused(coco):
    folder = coco(lambda d: d["images"][0].update(width=WIDTH + 1))

    with pytest.raises(InputError, match="81×60"):
        load_coco(folder).files[0].load()


def test_a_damaged_picture_is_named(coco):
    folder = coco()
    (folder / "images" / "a.png").write_bytes(b"not a picture")

    with pytest.raises(InputError, match=r"a\.png"):
        load_coco(folder).files[0].load()


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ("<object><name>stop</name></object>", "missing"),
        (VOC_OBJECT.format("x", 1, 2, 3, kind="stop", difficult=0), "four numbers"),
        (voc_object((50, 20, 10, 45)), "empty or outside"),
        (voc_object(kind="yield"), "no class"),
        ("<object>", "not XML"),
    ],
)
def test_a_bad_voc_file_says_what_is_bad(voc, objects, message):
    with pytest.raises(InputError, match=message):
        load_voc(voc(objects))


def test_entities_that_explode_are_not_read(voc):
    folder = voc()
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb">]><annotation>&b;</annotation>'
    (folder / "a.xml").write_text(bomb)

    with pytest.raises(InputError, match="document types"):
        load_voc(folder)


def test_a_voc_name_cannot_leave_the_folder(voc):
    with pytest.raises(InputError, match="stay in"):
        load_voc(voc(name="../a.png"))


def test_a_voc_folder_without_files_is_refused(tmp_path):
    with pytest.raises(InputError, match="xml"):
        load_voc(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.5 0.5 0.1", "5 values"),
        ("1 0.5 0.5 0.1 0.1 0.9 0.9", "5 values"),
        ("x 0.5 0.5 0.1 0.1", "not a YOLO box"),
        ("1 nan 0.5 0.1 0.1", "shares"),
        ("1 40 30 10 10", "shares"),
        ("-1 0.5 0.5 0.1 0.1", "shares"),
        ("1 0.5 0.5 0 0.1", "empty or outside"),
    ],
)
def test_a_bad_yolo_line_says_what_is_bad(yolo, line, message):
    with pytest.raises(InputError, match=message):
        load_yolo(yolo(line))


@pytest.mark.parametrize(
    "text",
    [
        "names: [pole, 'stop sign']",
        "names:\n- pole\n- stop sign",
        "names:\n  0: pole\n  1: stop sign",
    ],
)
def test_the_three_ways_to_name_classes_are_understood(yolo, text):
    folder = yolo()
    (folder / "data.yaml").write_text(f"train: images\n{text}\nnc: 2\n")

    assert len(load_yolo(folder).files[0].boxes) == 1


def test_a_yolo_class_can_be_given_by_number_or_must_be_known(yolo):
    assert len(load_yolo(yolo(), label=0).files[0].boxes) == 1
    with pytest.raises(InputError, match="no class"):
        load_yolo(yolo(), label="giraffe")


def test_a_split_in_blocks_leaves_no_neighbours_apart_but_at_the_ends(tmp_path):
    files = tuple(
        BoxedFile(tmp_path / f"{n}.png", 10, 10, np.zeros((0, 4), np.float32)) for n in range(95)
    )
    kept, held_out = split_in_blocks(BoxDataset("x", files), block=10, every=3, offset=1)

    numbers = [int(file.path.stem) for file in held_out.files]
    assert numbers == [*range(10, 20), *range(40, 50), *range(70, 80)]
    assert len(kept) + len(held_out) == 95


def test_boxes_are_cut_at_the_edge():
    np.testing.assert_allclose(to_boxes([(-5, 2, 30, 99)], 60, 20, "x"), [[0, 2, 20, 60]])
