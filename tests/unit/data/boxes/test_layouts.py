"""Annotated images in the layouts that tools write: which files they read, which splits."""

from __future__ import annotations

import json

import pytest

from edgecnn.data import DataWarning, load
from edgecnn.errors import InputError
from tests.unit.data.boxes.small_sets import (
    BOX,
    HEIGHT,
    LINE,
    WIDTH,
    roboflow,
    samples,
    save,
    write_json,
    yolo_flat,
    yolo_ultralytics,
)


def coco_2017(root):
    for split, count in (("train2017", 3), ("val2017", 2)):
        for n in range(count):
            save(root / split / f"{n}.jpg", n)
        names = [f"{n}.jpg" for n in range(count)]
        write_json(root / "annotations" / f"instances_{split}.json", names)
        write_json(root / "annotations" / f"captions_{split}.json", [])
    return {"train": 3, "validation": 2}


def cvat(root):
    save(root / "images" / "default" / "0.jpg")
    write_json(root / "annotations" / "instances_default.json", ["0.jpg"])
    return {"test": 1}


def cvat_flat(root):
    save(root / "images" / "0.jpg")
    write_json(root / "annotations" / "instances_default.json", ["0.jpg"])
    return {"test": 1}


def label_studio(root):
    save(root / "images" / "ab12-0.jpg")
    write_json(root / "result.json", ["images\\ab12-0.jpg"])
    return {"test": 1}


def fiftyone(root):
    save(root / "data" / "0.jpg")
    write_json(root / "labels.json", ["0.jpg"])
    return {"test": 1}


def wrapped(root):
    return roboflow(root / "signs.v1i.coco")


def names_of_another_machine(root):
    save(root / "images" / "0.jpg")
    write_json(root / "export.json", ["/home/me/project/images/0.jpg"])
    return {"test": 1}


@pytest.mark.parametrize(
    "write",
    [
        coco_2017, cvat, cvat_flat, roboflow, label_studio, fiftyone, wrapped,
        names_of_another_machine,
    ],
)  # fmt: skip
def test_layouts_of_coco(tmp_path, write):
    expected = write(tmp_path)

    assert samples("coco", tmp_path) == expected


def test_a_json_by_itself_finds_its_images(tmp_path):
    coco_2017(tmp_path)

    place = tmp_path / "annotations" / "instances_val2017.json"
    assert samples("coco", place) == {"test": 2}


def test_a_split_that_was_not_downloaded_is_left_out(tmp_path):
    coco_2017(tmp_path)
    for path in (tmp_path / "train2017").iterdir():
        path.unlink()

    with pytest.warns(DataWarning, match=r"1 file left out: all of train: no annotated images"):
        dataset = load(f"coco:{tmp_path}")

    assert {name: len(split) for name, split in dataset.splits.items()} == {"validation": 2}


def test_a_missing_image_is_not_taken_from_the_folder_of_another_split(tmp_path):
    coco_2017(tmp_path)
    (tmp_path / "train2017" / "0.jpg").unlink()  # val2017/0.jpg is another image

    with pytest.warns(DataWarning, match=r"1 file left out: 0.jpg: the image is missing"):
        dataset = load(f"coco:{tmp_path}")

    assert {file.path.parent.name for file in dataset["train"].files} == {"train2017"}
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 2,
        "validation": 2,
    }


def test_a_list_takes_no_image_from_the_folder_of_another_split(tmp_path):
    for split, seed in (("train", 1), ("val", 2)):
        for n in range(2):
            save(tmp_path / "images" / split / f"{n}.jpg", 10 * seed + n)
            (tmp_path / "images" / split / f"{n}.txt").write_text(LINE)
        (tmp_path / f"{split}.txt").write_text("0.jpg\n1.jpg\n")
    (tmp_path / "images" / "train" / "1.jpg").unlink()
    (tmp_path / "data.yaml").write_text("train: train.txt\nval: val.txt\nnames: [stop sign]\n")

    with pytest.warns(DataWarning, match=r"1.jpg: train.txt lists it, the image is missing"):
        dataset = load(f"yolo:{tmp_path}")

    folders = {
        name: [file.path.parent.name for file in split.files]
        for name, split in dataset.splits.items()
    }
    assert folders == {"train": ["train"], "validation": ["val", "val"]}


def test_images_without_annotations_or_classes_are_a_set_without_boxes(tmp_path):
    save(tmp_path / "images" / "0.jpg")
    (tmp_path / "annotations.json").write_text(
        json.dumps({"images": [{"id": 0, "file_name": "0.jpg"}], "annotations": []})
    )

    dataset = load(f"coco:{tmp_path}")

    assert len(dataset["test"].ground_truth) == 1
    assert "holds no annotations" in dataset.summary()


def test_several_json_files_of_no_split_are_a_question(tmp_path):
    for name in ("a.json", "b.json"):
        write_json(tmp_path / name, [])

    with pytest.raises(InputError, match=r"holds a\.json, b\.json"):
        load(f"coco:{tmp_path}")


def yolo_two_folders(root):
    save(root / "images" / "0.jpg")
    (root / "labels").mkdir()
    (root / "labels" / "0.txt").write_text(LINE)
    (root / "labels" / "classes.txt").write_text("stop sign\n")
    return {"test": 1}


def yolo_without_a_yaml(root):
    expected = yolo_ultralytics(root)
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("stop sign\n")
    return expected


def yolo_roboflow(root):
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        for n in range(count):
            save(root / split / "images" / f"{n}.jpg", n)
            text = root / split / "labels" / f"{n}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(LINE)
    (root / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 1\n"
        "names: ['stop sign']\n"
    )
    return {"train": 3, "validation": 2, "test": 1}


def yolo_cvat(root):
    for n in range(3):
        save(root / "obj_train_data" / f"{n}.jpg", n)
        (root / "obj_train_data" / f"{n}.txt").write_text(LINE)
    (root / "obj.names").write_text("stop sign\n")
    (root / "train.txt").write_text("data/obj_train_data/0.jpg\ndata/obj_train_data/1.jpg\n")
    (root / "valid.txt").write_text("data/obj_train_data/2.jpg\n")
    return {"train": 2, "validation": 1}


def yolo_lists(root):
    for n in range(3):
        save(root / "images" / f"{n}.jpg", n)
        (root / "labels").mkdir(exist_ok=True)
        (root / "labels" / f"{n}.txt").write_text(LINE)
    (root / "train.txt").write_text("./images/0.jpg\n./images/1.jpg\n")
    (root / "val.txt").write_text("./images/2.jpg\n")
    (root / "coco.yaml").write_text(
        "path: /nowhere\ntrain: train.txt\nval: val.txt\nnames: {0: stop sign}\n"
    )
    return {"train": 2, "validation": 1}


def yolo_wrapped(root):
    return yolo_roboflow(root / "signs")


YOLO = [
    yolo_flat, yolo_two_folders, yolo_ultralytics, yolo_without_a_yaml, yolo_roboflow, yolo_cvat,
    yolo_lists, yolo_wrapped,
]  # fmt: skip


@pytest.mark.parametrize("write", YOLO)
def test_layouts_of_yolo(tmp_path, write):
    expected = write(tmp_path)

    assert samples("yolo", tmp_path) == expected
    assert load(f"yolo:{tmp_path}").left_out == ()


@pytest.mark.parametrize("write", [yolo_ultralytics, yolo_roboflow, yolo_lists])
def test_a_yaml_by_itself_names_the_set(tmp_path, write):
    expected = write(tmp_path)
    (path,) = tmp_path.glob("*.yaml")

    assert samples("yolo", path) == expected


def test_a_yaml_of_a_stranger_leads_nowhere_else(tmp_path):
    save(tmp_path / "private" / "0.jpg")
    yolo_flat(tmp_path / "set" / "data")
    (tmp_path / "set" / "data" / "data.yaml").write_text(
        f"path: {tmp_path}\ntrain: private\nnames: [stop sign]\n"
    )

    dataset = load(f"yolo:{tmp_path / 'set' / 'data'}")

    assert [file.path.parent.name for file in dataset["test"].files] == ["data"]


def test_a_text_without_an_image_is_named(tmp_path):
    yolo_two_folders(tmp_path)
    (tmp_path / "labels" / "7.txt").write_text(LINE)

    with pytest.warns(DataWarning, match=r"labels/7\.txt: no image has this name"):
        load(f"yolo:{tmp_path}")


def test_without_label_files_that_is_said(tmp_path):
    save(tmp_path / "images" / "0.jpg")

    dataset = load(f"yolo:{tmp_path}")

    assert "no image has a label file" in dataset.summary()
    assert dataset["test"].labels.tolist() == [0]


def test_classes_that_nobody_names_are_numbers(tmp_path):
    yolo_flat(tmp_path)
    (tmp_path / "classes.txt").unlink()
    (tmp_path / "0.txt").write_text(LINE + "3 0.5 0.5 0.1 0.1\n")

    dataset = load(f"yolo:{tmp_path}", classes=["3"])

    assert dataset.labels == ("3",)
    assert "they are numbers" in dataset.summary()


def xml(path, image, kind="stop sign", size=(WIDTH, HEIGHT)):
    left, top, right, bottom = BOX
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{image}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height></size><object><name>{kind}</name><bndbox>"
        f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        "</bndbox></object></annotation>"
    )


def voc_2012(root):
    for n in range(4):
        save(root / "VOC2012" / "JPEGImages" / f"{n}.jpg", n)
        xml(root / "VOC2012" / "Annotations" / f"{n}.xml", f"{n}.jpg")
    lists = root / "VOC2012" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n")
    (lists / "val.txt").write_text("2\n")
    (lists / "trainval.txt").write_text("0\n1\n2\n")
    (lists / "car_train.txt").write_text("0 -1\n1  1\n")
    return {"train": 2, "validation": 1}


def voc_roboflow(root):
    for split, count in (("train", 2), ("valid", 1)):
        for n in range(count):
            save(root / split / f"{n}.jpg", n)
            xml(root / split / f"{n}.xml", f"{n}.jpg")
    return {"train": 2, "validation": 1}


def voc_label_img(root):
    save(root / "0.jpg")
    xml(root / "0.xml", "0")
    return {"test": 1}


def voc_two_folders(root):
    save(root / "images" / "0.jpg")
    xml(root / "annotations" / "0.xml", "0.jpg")
    return {"test": 1}


@pytest.mark.parametrize("write", [voc_2012, voc_roboflow, voc_label_img, voc_two_folders])
def test_layouts_of_voc(tmp_path, write):
    expected = write(tmp_path)

    assert samples("voc", tmp_path) == expected


def test_a_cut_image_is_found_when_the_set_is_loaded(tmp_path):
    roboflow(tmp_path)
    path = tmp_path / "train" / "0.jpg"
    path.write_bytes(path.read_bytes()[:-300])

    with pytest.warns(DataWarning, match=r"1 file left out: 0\.jpg: .*truncated"):
        dataset = load(f"coco:{tmp_path}")

    assert [len(sample) for sample in dataset["train"].samples] == [HEIGHT] * 2


def test_strict_refuses_what_is_left_out(tmp_path):
    roboflow(tmp_path)
    (tmp_path / "train" / "0.jpg").unlink()

    with pytest.raises(InputError, match=r"0\.jpg: the image is missing"):
        load(f"coco:{tmp_path}", strict=True)


def test_without_a_test_split_the_validation_is_measured(tmp_path):
    yolo_ultralytics(tmp_path)

    dataset = load(f"yolo:{tmp_path}")

    assert dataset["test"] is dataset["validation"]
    assert "validation is measured: there is no test split" in dataset.summary()
