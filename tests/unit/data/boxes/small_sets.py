"""Small annotated sets, of images of noise that hold one box each."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.data import load

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

WIDTH, HEIGHT = 40, 30
BOX = (4.0, 6.0, 20.0, 24.0)
LINE = "0 0.3 0.5 0.4 0.6\n"


def save(path, seed=0, size=(WIDTH, HEIGHT)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def document(names, category="stop sign"):
    left, top, right, bottom = BOX
    return {
        "images": [
            {"id": n, "file_name": name, "width": WIDTH, "height": HEIGHT}
            for n, name in enumerate(names)
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "iscrowd": 0,
             "bbox": [left, top, right - left, bottom - top]}
            for n in range(len(names))
        ],
        "categories": [{"id": 1, "name": category}],
    }  # fmt: skip


def write_json(path, names, **kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(names, **kind)))


def samples(source, place, **arguments):
    dataset = load(f"{source}:{place}", **arguments)
    for split in dataset.splits.values():
        for file in split.files:
            np.testing.assert_allclose(file.boxes, [BOX], atol=0.01)
    return {name: len(split) for name, split in dataset.splits.items()}


def roboflow(root):
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        for n in range(count):
            save(root / split / f"{n}.jpg", n)
        write_json(root / split / "_annotations.coco.json", [f"{n}.jpg" for n in range(count)])
    return {"train": 3, "validation": 2, "test": 1}


def yolo_flat(root, names="names: [stop sign]\n"):
    save(root / "0.jpg")
    (root / "0.txt").write_text(LINE)
    (root / "classes.txt").write_text("stop sign\n")
    return {"test": 1}


def yolo_ultralytics(root):
    for split, count in (("train", 3), ("val", 2)):
        for n in range(count):
            save(root / "images" / split / f"{n}.jpg", n)
            text = root / "labels" / split / f"{n}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(LINE)
    (root / "data.yaml").write_text("path: ../datasets/x\ntrain: images/train\nval: images/val\n"
                                    "names:\n  0: stop sign\n")  # fmt: skip
    return {"train": 3, "validation": 2}
