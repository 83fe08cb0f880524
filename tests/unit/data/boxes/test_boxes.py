"""COCO's, VOC's and YOLO's layout give the same annotated images; bad files say what is bad."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from edgecnn.data import load
from edgecnn.data.boxes.base import BoxDataset, BoxedFile, split_in_blocks
from edgecnn.data.boxes.coco import load_coco
from edgecnn.data.boxes.voc import load_voc
from edgecnn.data.boxes.yolo import load_yolo
from edgecnn.errors import InputError

WIDTH, HEIGHT = 80, 60
BOX = (10, 20, 50, 45)  # left, top, right, bottom


def save_image(path, size=(WIDTH, HEIGHT)):
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
            save_image(tmp_path / "images" / name)
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
        for image in ("a.png", "b.png"):
            save_image(tmp_path / "images" / image)
        return folder

    return write


@pytest.fixture
def yolo(tmp_path):
    def write(lines="1 0.375 0.541666667 0.5 0.416666667\n0 0.5 0.5 0.1 0.1\n"):
        for name in ("a.png", "b.png"):
            save_image(tmp_path / "images" / name)
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
    assert data.files[0].load().image.shape == (HEIGHT, WIDTH, 3)


def test_crowds_and_difficult_objects_are_ignored_ones(coco, voc):
    np.testing.assert_allclose(load_coco(coco()).files[0].ignored, [[0, 0, 5, 5]])
    np.testing.assert_allclose(load_voc(voc()).files[0].ignored, [[0, 0, 5, 5]])


def test_the_digest_follows_images_and_boxes(coco):
    before = load_coco(coco()).sha256
    assert load_coco(coco()).sha256 == before

    moved = load_coco(coco(lambda d: d["annotations"][0].update(bbox=[11, 20, 40, 25])))
    assert moved.sha256 != before

    folder = coco()
    Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 0)).save(folder / "images" / "b.png")
    assert load_coco(folder).sha256 != before


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


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ("<object><name>stop</name></object>", "not four numbers"),
        ("<object><bndbox/></object>", "no name"),
        (VOC_OBJECT.format("x", 1, 2, 3, kind="stop", difficult=0), "not four numbers"),
        (VOC_OBJECT.format("inf", 1, 2, 3, kind="stop", difficult=0), "not four numbers"),
        (voc_object((50, 20, 10, 45)), "no area"),
        (voc_object((500, 20, 510, 45)), "outside"),
    ],
)
def test_an_odd_object_of_voc_is_named_and_the_others_stay(voc, objects, reason):
    data = load_voc(voc(objects + voc_object()))

    assert [len(file.boxes) for file in data.files] == [1, 0]
    (odd,) = data.left_out
    assert odd.file == "a.xml, object 1"
    assert reason in odd.reason


def test_a_voc_class_that_no_file_has_is_an_input_error(voc):
    with pytest.raises(InputError, match="no class"):
        load_voc(voc(voc_object(kind="yield")))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<annotation><object>", "not XML"),
        ("", "not XML"),
        ('<!DOCTYPE a [<!ENTITY b "bbbb">]><annotation>&b;</annotation>', "document types"),
    ],
)
def test_a_file_that_is_no_voc_is_left_out(voc, content, reason):
    folder = voc()
    (folder / "b.xml").write_text(content)

    data = load_voc(folder)

    assert [file.path.name for file in data.files] == ["a.png"]
    assert reason in data.left_out[0].reason


@pytest.mark.parametrize(
    "name",
    ["C:\\data\\a.png", "/home/me/a.png", "a", "A.PNG", "old name.png", "../a.png", "x/y/a.png"],
)
def test_a_voc_image_is_found_whatever_the_machine_it_was_annotated_on(voc, name):
    data = load_voc(voc(name=name))

    assert [file.path.name for file in data.files] == ["a.png", "b.png"]


@pytest.mark.parametrize("kind", ["stop sign", "Stop_Sign", "STOP-SIGN", "StopSign"])
def test_a_class_is_the_same_however_it_is_written(voc, kind):
    assert len(load_voc(voc(voc_object(kind=kind)), label="stop sign").files[0].boxes) == 1


def test_a_voc_folder_without_files_is_refused(tmp_path):
    with pytest.raises(InputError, match="xml"):
        load_voc(tmp_path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 0.5 0.5 0.1", "received 4 values"),
        ("x 0.5 0.5 0.1 0.1", "'x' is not a class"),
        ("1 0.5 0.5 a 0.1", "not numbers"),
        ("1 nan 0.5 0.1 0.1", "shares"),
        ("1 40 30 10 10", "shares"),
        ("-1 0.5 0.5 0.1 0.1", "'-1' is not a class"),
        ("0.5 0.5 0.5 0.1 0.1", "'0.5' is not a class"),
        ("1 0.5 0.5 0 0.1", "no area"),
    ],
)
def test_an_odd_yolo_line_is_named_and_the_others_stay(yolo, line, reason):
    data = load_yolo(yolo(f"{line}\n1 0.5 0.5 0.1 0.1\n"))

    assert [len(file.boxes) for file in data.files] == [1, 0]
    (odd,) = data.left_out
    assert odd.file == "labels/a.txt, line 1"
    assert reason in odd.reason


@pytest.mark.parametrize(
    "line",
    [
        "1 0.375 0.541666667 0.5 0.416666667",
        "1.0 0.375 0.541666667 0.5 0.416666667",
        "stop-sign 0.375 0.541666667 0.5 0.416666667",
        "1\t0.375\t0.541666667\t0.5\t0.416666667",
        "1 0.375 0.541666667 0.5 0.416666667 0.87",
        "1 0.375 0.541666667 0.5 0.416666667 0.3 0.4 2 0.5 0.5 0",
        "1 0.125 0.333333333 0.625 0.333333333 0.625 0.75",
        "1 0.125 0.333333333 0.625 0.333333333 0.625 0.75 0.125 0.75",
        "1 0.125 0.333333333 0.625 0.333333333 0.625 0.75 0.125 0.75 0.9",
    ],
)
def test_what_yolo_tools_write_is_the_same_box(yolo, line):
    data = load_yolo(yolo(f"\ufeff{line}\r\n"))

    assert data.left_out == ()
    np.testing.assert_allclose(data.files[0].boxes, [BOX], atol=0.01)


EDGE = "1 0.125 0.333 0.625 0.333 0.625 0.75 1 0.75 0.125 0"
"""An outline of five points that touches the edge where key points would say what is seen."""
FURTHER = "1 0.375 0.541666667 0.5 0.416666667 0.3 0.4 2 0.5 0.5 0"


@pytest.mark.parametrize("other", [f"1 {'0.2 0.3 ' * 4}0.4 0.5", f"1 {'0.2 0.3 ' * 3}0.4 0.5"])
def test_an_outline_at_the_edge_is_one_where_others_of_the_set_are(yolo, other):
    data = load_yolo(yolo(f"{EDGE}\n{other}\n"))

    np.testing.assert_allclose(data.files[0].boxes[0], [10, 0, 80, 45], atol=0.1)


def test_an_outline_at_the_edge_is_one_where_those_of_another_split_are(tmp_path):
    for split, line in (("train", f"1 {'0.2 0.3 ' * 4}0.4 0.5"), ("val", EDGE)):
        save_image(tmp_path / "images" / split / f"{split}.png")
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / f"{split}.txt").write_text(line)
    (tmp_path / "data.yaml").write_text("names: ['pole', 'stop sign']\n")
    dataset = load(f"yolo:{tmp_path}")

    np.testing.assert_allclose(dataset["validation"].files[0].boxes, [[10, 0, 80, 45]], atol=0.1)


def test_lines_of_as_many_key_points_are_boxes_with_key_points(yolo):
    other = "1 0.5 0.5 0.2 0.2 0.1 0.2 1 0.3 0.4 0"
    data = load_yolo(yolo(f"{FURTHER}\n0 0.5 0.5 0.1 0.1\n{other}\nno line\n"))

    np.testing.assert_allclose(data.files[0].boxes, [BOX, [32, 24, 48, 36]], atol=0.01)


def test_a_yolo_box_over_the_edge_is_cut_and_counted(yolo):
    data = load_yolo(yolo("1 0.9 0.5 0.2042 1.0021\n1 0.5 0.5 0.1 1.0021\n1 0.5 0.5 1.0003 1.0\n"))

    assert data.files[0].boxes.max(axis=0).tolist() == [pytest.approx(63.8, abs=0.1), 0, 80, 60]
    assert [(entry.kind, entry.file[-6:]) for entry in data.left_out] == [
        ("cut", "line 1"),
        ("cut", "line 2"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "names: [pole, 'stop sign']",
        "names:\n- pole\n- stop sign",
        "names:\n  0: pole\n  1: stop sign",
        "names:\n  1: stop sign\n  0: pole",
        "names: {1: stop sign, 0: pole}",
        "names:\n  '1': 'stop sign'  # the one\n  '0': pole",
        "names: ['pole',\n  'stop sign']",
        "names: &names [pole, stop_sign]",
    ],
)
def test_all_ways_to_name_classes_are_understood(yolo, text):
    folder = yolo()
    (folder / "data.yaml").write_text(f"train: images\n{text}\nnc: 2\n")

    assert len(load_yolo(folder).files[0].boxes) == 1


def test_a_yolo_class_can_be_given_by_number_or_must_be_known(yolo):
    assert len(load_yolo(yolo(), label=0).files[0].boxes) == 1
    with pytest.raises(InputError, match="no class"):
        load_yolo(yolo(), label="giraffe")


def test_a_split_in_blocks_leaves_no_neighbors_apart_but_at_the_ends(tmp_path):
    files = tuple(
        BoxedFile(tmp_path / f"{n}.png", 10, 10, np.zeros((0, 4), np.float32)) for n in range(95)
    )
    kept, held_out = split_in_blocks(BoxDataset("x", files), block=10, every=3, offset=1)

    numbers = [int(file.path.stem) for file in held_out.files]
    assert numbers == [*range(10, 20), *range(40, 50), *range(70, 80)]
    assert len(kept) + len(held_out) == 95


def test_the_number_is_the_class_where_names_leave_some_out(yolo):
    folder = yolo("7 0.375 0.541666667 0.5 0.416666667\n1 0.5 0.5 0.1 0.1\n")
    (folder / "data.yaml").write_text("names:\n  7: stop sign\n  1: car\n")

    np.testing.assert_allclose(load_yolo(folder).files[0].boxes, [BOX], atol=0.01)


def test_words_that_yaml_takes_for_truth_are_names(yolo):
    folder = yolo("0 0.375 0.541666667 0.5 0.416666667\n")
    (folder / "data.yaml").write_text("names: [no, yes, 7]\n")

    assert len(load_yolo(folder, label="no").files[0].boxes) == 1


def test_a_damaged_image_is_left_out_and_named(coco):
    folder = coco()
    (folder / "images" / "b.png").write_bytes(b"not an image")

    (odd,) = load_coco(folder).left_out
    assert str(odd) == "b.png: not an image"
