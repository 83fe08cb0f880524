"""Writers of two annotated images (`annotated_pair.py`) in each layout."""

from __future__ import annotations

import json

import pytest

from tests.unit.data.boxes.annotated_pair import VOC, coco_document, save_image, voc_object


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
